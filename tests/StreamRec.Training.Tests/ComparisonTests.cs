using StreamRec.Training.Evaluation;

namespace StreamRec.Training.Tests;

public sealed class ComparisonTests
{
    private static readonly RankingFigure[] Figures = [RankingFigure.Ndcg10, RankingFigure.Hit10];

    [Fact]
    public void An_interval_of_a_share_is_the_one_that_the_normal_distribution_gives()
    {
        byte[] ranks = [.. Enumerable.Range(0, 2000).Select(i => (byte)(i % 5 == 0 ? 1 : 0))];

        var interval = Bootstrap.Intervals(ranks, [RankingFigure.Hit10])[0];

        // 0.2 ± 1.96 sqrt(0.2 * 0.8 / 2000); a thousand resamples know each end to about a tenth of the half width.
        Assert.Equal(0.2 - 0.01753, interval.Low, 0.002);
        Assert.Equal(0.2 + 0.01753, interval.High, 0.002);
    }

    [Fact]
    public void Intervals_and_tests_are_the_same_each_time()
    {
        var (a, b) = (Ranks(1, 500, 0.3), Ranks(2, 500, 0.25));

        Assert.Equal(Bootstrap.Intervals(a, Figures), Bootstrap.Intervals(a, Figures));
        Assert.Equal(Comparison.Of(a, b, Figures).Figures, Comparison.Of(a, b, Figures).Figures);
    }

    [Fact]
    public void A_model_does_not_differ_from_itself()
    {
        var ranks = Ranks(1, 300, 0.3);

        var comparison = Comparison.Of(ranks, ranks, Figures);

        Assert.Equal((0, 0, 300), (comparison.Wins, comparison.Losses, comparison.Ties));
        Assert.All(comparison.Figures, figure => Assert.Equal((0.0, 1.0, new Interval(0, 0), false), (figure.Difference, figure.P, figure.Interval, figure.Significant)));
    }

    [Fact]
    public void A_clear_difference_is_shown_with_its_sign_and_an_interval_without_zero()
    {
        var (a, b) = (Ranks(1, 2000, 0.4), Ranks(2, 2000, 0.3));

        var comparison = Comparison.Of(b, a, Figures);

        Assert.All(comparison.Figures, figure =>
        {
            Assert.True(figure.Significant);
            Assert.True(figure.Interval.High < 0);
            Assert.InRange(figure.Difference, figure.Interval.Low, figure.Interval.High);
        });
    }

    [Fact]
    public void Chance_is_called_a_difference_about_as_often_as_the_level_says()
    {
        var alarms = Enumerable.Range(0, 60).Count(run =>
            Comparison.Of(Ranks(1000 + run, 200, 0.3), Ranks(5000 + run, 200, 0.3), [RankingFigure.Hit10]).Figures[0].Significant);

        // 3 are expected of 60; more than 9 have a chance below 0.001.
        Assert.InRange(alarms, 0, 9);
    }

    [Fact]
    public void The_test_agrees_with_the_exact_sign_test_on_hits()
    {
        // Nine cases that only the first model finds and one that only the second finds: P = 2 (1 + 10) / 2^10.
        byte[] a = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0];
        byte[] b = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];

        Assert.Equal(22.0 / 1024, Comparison.Of(a, b, [RankingFigure.Hit10]).Figures[0].P, 0.005);
    }

    [Fact]
    public void Wins_are_cases_that_are_ranked_higher_and_not_found_is_lowest()
    {
        // Nothing looks beyond the tenth place, so 20 is as good as not found.
        var comparison = Comparison.Of([1, 5, 0, 0, 3, 0], [2, 0, 7, 0, 3, 20], Figures);

        Assert.Equal((2, 1, 3), (comparison.Wins, comparison.Losses, comparison.Ties));
    }

    [Fact]
    public void Holm_multiplies_the_smallest_by_all_and_never_falls() =>
        Assert.Equal([0.03, 0.06, 0.06], Comparison.Holm([0.01, 0.04, 0.03]).Select(p => Math.Round(p, 12)));

    [Fact]
    public void Models_on_different_cases_are_not_compared() =>
        Assert.Contains("only the same cases", Assert.Throws<ArgumentException>(() => Comparison.Of([1], [1, 2], Figures)).Message, StringComparison.Ordinal);

    private static byte[] Ranks(int seed, int cases, double found)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, cases).Select(_ => (byte)(random.NextDouble() < found ? random.Next(1, 21) : 0))];
    }
}

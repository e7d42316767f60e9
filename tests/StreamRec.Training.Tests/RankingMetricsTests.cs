using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training.Tests;

public sealed class RankingMetricsTests
{
    [Fact]
    public void Hand_computed_ranks_give_hand_computed_figures()
    {
        var metrics = new RankingMetrics();
        foreach (var rank in new[] { 1, 3, 7, 15, 0 })
        {
            metrics.Add(rank);
        }

        Assert.Equal(0.4, metrics.HitRate(5), 12);
        Assert.Equal(0.6, metrics.HitRate(10), 12);
        Assert.Equal(0.8, metrics.HitRate(20), 12);
        Assert.Equal((1 + 0.5) / 5, metrics.Ndcg(5), 12);
        Assert.Equal((1 + 0.5 + (1.0 / 3)) / 5, metrics.Ndcg(10), 12);
        Assert.Equal((1 + 0.5 + (1.0 / 3) + 0.25) / 5, metrics.Ndcg(20), 12);
        Assert.Equal((1 + (1.0 / 3)) / 5, metrics.Mrr(5), 12);
        Assert.Equal((1 + (1.0 / 3) + (1.0 / 7)) / 5, metrics.Mrr(10), 12);
        Assert.Equal((1 + (1.0 / 3) + (1.0 / 7) + (1.0 / 15)) / 5, metrics.Mrr(20), 12);
        Assert.Equal([1, 3, 7, 15, 0], metrics.Ranks);
    }

    [Fact]
    public void A_rank_below_the_depth_counts_as_not_found_and_no_case_is_worth_nothing()
    {
        var metrics = new RankingMetrics();
        Assert.Equal(0, metrics.Ndcg(10));

        metrics.Add(21);

        Assert.Equal([0], metrics.Ranks);
        Assert.Equal((1, 0.0), (metrics.Cases, metrics.HitRate(20)));
        Assert.Throws<ArgumentOutOfRangeException>(() => metrics.Add(-1));
    }

    [Fact]
    public void A_figure_is_found_by_its_name()
    {
        Assert.All(RankingFigure.All, figure => Assert.Equal(figure, RankingFigure.Parse(figure.Name)));
        Assert.Equal(["hr@5", "ndcg@5", "mrr@5"], RankingFigure.All.Take(3).Select(figure => figure.Name));
        Assert.Contains("'map@10'", Assert.Throws<ArgumentException>(() => RankingFigure.Parse("map@10")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_gain_from_5_to_10_lies_between_the_discounts_of_ranks_6_and_10()
    {
        var random = new Random(7);
        for (var run = 0; run < 100; run++)
        {
            var metrics = new RankingMetrics();
            for (var i = 0; i < 200; i++)
            {
                metrics.Add(random.Next(0, 25));
            }

            var hits = metrics.HitRate(10) - metrics.HitRate(5);
            var gain = metrics.Ndcg(10) - metrics.Ndcg(5);
            Assert.InRange(gain, (hits / Math.Log2(11)) - 1e-12, (hits / Math.Log2(7)) + 1e-12);
        }
    }

    [Fact]
    public void Popularity_ranks_by_count_and_masks_what_the_user_has_had()
    {
        UserHistory[] train = [new("a", [1, 2, 3]), new("b", [1, 2]), new("c", [1])];

        var metrics = Evaluator.EvaluatePopularity(train, [new TestCase("a", new[] { 1 }, 2), new TestCase("b", new[] { 2 }, 3)]);

        // For a, item 2 is first once item 1 is masked; for b, item 3 comes after item 1.
        Assert.Equal((1 + (1 / Math.Log2(3))) / 2, metrics.Ndcg(5), 12);
    }

    [Fact]
    public void Prequential_figures_judge_served_lists_transitions_and_popularity_on_the_same_interactions()
    {
        var prequential = new Prequential(
            (_, had) => had.IsEmpty ? [] : [new RankedItem(had[^1] + 1, 1, "transitions")], (_, _) => [new RankedItem(5, 1, "popularity")], window: 3, users: 10);
        prequential.Published(List("u", Fallback.None, 7));
        prequential.Published(List("v", Fallback.ColdStart, 7));

        prequential.Observed("u"u8, new SequenceEntry(7, InteractionType.Click), []);
        prequential.Published(List("u", Fallback.None, 7));
        prequential.Observed("u"u8, new SequenceEntry(5, InteractionType.Click), [new SequenceEntry(4, InteractionType.Click), new SequenceEntry(9, InteractionType.Impression)]);
        prequential.Observed("v"u8, new SequenceEntry(7, InteractionType.Click), []);
        prequential.Observed("nobody"u8, new SequenceEntry(7, InteractionType.Click), []);
        prequential.Published(List("u", Fallback.None, 7));
        prequential.Observed("u"u8, new SequenceEntry(7, InteractionType.Impression), []);
        prequential.Observed("u"u8, new SequenceEntry(7, InteractionType.Click), [new SequenceEntry(7, InteractionType.Click)]);

        Assert.Equal(new PrequentialFigures(3, 3, 2.0 / 3, 1.0 / 3, 1.0 / 3), prequential.Figures);

        prequential.Observed("u"u8, new SequenceEntry(7, InteractionType.Click), []);
        Assert.Equal(new PrequentialFigures(4, 3, 2.0 / 3, 1.0 / 3, 1.0 / 3), prequential.Figures);
    }

    [Fact]
    public void Baselines_know_no_more_of_a_user_than_the_list_that_was_served()
    {
        var prequential = new Prequential(
            (_, had) => had.IsEmpty ? [] : [new RankedItem(had[^1] + 1, 1, "transitions")], (_, _) => [], window: 3, users: 10);
        SequenceEntry[] history = [new(4, InteractionType.Click), new(6, InteractionType.Click)];
        prequential.Published(List("u", Fallback.None, 9) with { Sequence = 1 });

        // The list followed item 4; item 6 came before it was seen.
        prequential.Observed("u"u8, new SequenceEntry(5, InteractionType.Click), history);
        prequential.Published(List("u", Fallback.None, 9) with { Sequence = 1 });
        prequential.Observed("u"u8, new SequenceEntry(7, InteractionType.Click), history);

        Assert.Equal(new PrequentialFigures(2, 2, 0, 0.5, 0), prequential.Figures);
    }

    [Fact]
    public void A_list_is_judged_once_however_many_interactions_follow_it()
    {
        var asked = 0;
        var prequential = new Prequential((_, _) => [new RankedItem(asked++, 1, "transitions")], (_, _) => [], window: 10, users: 10);
        prequential.Published(List("crawler", Fallback.None, 7));

        for (var item = 0; item < 100; item++)
        {
            prequential.Observed("crawler"u8, new SequenceEntry(item, InteractionType.Click), []);
        }

        Assert.Equal((1L, 1), (prequential.Figures.Judged, asked));
        prequential.Published(List("crawler", Fallback.None, 100));
        prequential.Observed("crawler"u8, new SequenceEntry(100, InteractionType.Click), []);
        Assert.Equal((2L, 2, 0.5), (prequential.Figures.Judged, asked, prequential.Figures.HitRate));
    }

    private static Recommendation List(string user, Fallback fallback, int item) =>
        new(user, 1, [new RankedItem(item, 1, "model")], null, fallback, default, 10, DateTimeOffset.UnixEpoch);
}

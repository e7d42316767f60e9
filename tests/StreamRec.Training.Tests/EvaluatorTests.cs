using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training.Tests;

public sealed class EvaluatorTests
{
    private static readonly UserHistory[] Train = [new("a", [0, 1, 2]), new("b", [0, 1]), new("c", [0])];

    [Fact]
    public void An_item_of_the_history_is_found_only_when_nothing_is_masked()
    {
        using var popularity = new PopularityModel(Train);
        TestCase[] cases = [new("a", new[] { 0, 1 }, 0), new("a", new[] { 0, 1 }, 2)];

        Assert.Equal([0, 1], Evaluator.Evaluate(popularity, cases, masked: true, null, null, CancellationToken.None).Ranks);
        Assert.Equal([1, 3], Evaluator.Evaluate(popularity, cases, masked: false, null, null, CancellationToken.None).Ranks);
    }

    [Theory]
    [InlineData(0, 20)]
    [InlineData(2, 10)]
    public void Two_steps_are_asked_for_lists_of_ten_because_the_second_fills_their_end(int secondStep, int places)
    {
        using var model = new TwoStepModel(secondStep);

        Evaluator.Evaluate(model, [new("a", new[] { 0 }, 1)], null, CancellationToken.None);

        Assert.Equal(places, model.Asked);
    }

    [Fact]
    public void Evidence_alone_ranks_what_it_speaks_for_and_nothing_else()
    {
        using var model = new EvidenceModel("successor", new Successor(), itemCount: 5);

        var lists = model.Recommend([
            new ModelQuery("a", new[] { 1, 3 }, new[] { 1, 3 }, 10),
            new ModelQuery("a", new[] { 1, 3 }, new[] { 4 }, 10),
            new ModelQuery("a", new[] { 0, 1, 2 }, default, 2),
            new ModelQuery("a", default, default, 10)]);

        Assert.Equal([4, 2], lists[0].Select(ranked => ranked.Item));
        Assert.Equal([2], lists[1].Select(ranked => ranked.Item));
        Assert.Equal([3, 2], lists[2].Select(ranked => ranked.Item));
        Assert.Empty(lists[3]);
    }

    [Fact]
    public void Exposure_of_hand_made_lists_is_what_a_hand_computes()
    {
        var exposure = new Exposure(Train, catalogue: 4);
        exposure.Add([new(0, 1, ""), new(1, 1, "")]);
        exposure.Add([new(0, 1, ""), new(3, 1, "")]);

        // Items 0, 1 and 3 of four; 3 of 6 interactions are item 0, 2 of 6 item 1, and item 3 has none, which counts as one.
        Assert.Equal(0.75, exposure.Coverage, 12);
        Assert.Equal(((2 * Math.Log2(2)) + Math.Log2(3) + Math.Log2(6)) / 4, exposure.Novelty, 12);
        // Shown 0, 1, 1, 2 times: 2 (1*0 + 2*1 + 3*1 + 4*2) / (4 * 4) - 5 / 4.
        Assert.Equal((26.0 / 16) - 1.25, exposure.Gini, 12);
    }

    [Fact]
    public void Lists_that_show_everything_equally_often_have_no_inequality()
    {
        var exposure = new Exposure(Train, catalogue: 3);
        exposure.Add([new(0, 1, ""), new(1, 1, ""), new(2, 1, "")]);

        Assert.Equal((1.0, 0.0), (exposure.Coverage, exposure.Gini));
    }

    [Fact]
    public void Places_after_the_tenth_do_not_count_as_shown()
    {
        var exposure = new Exposure(Train, catalogue: 100);
        exposure.Add([.. Enumerable.Range(0, 20).Select(item => new RankedItem(item, 1, ""))]);

        Assert.Equal(0.1, exposure.Coverage, 12);
    }

    [Fact]
    public void A_breakdown_sorts_cases_by_length_and_by_occurrences_of_the_target()
    {
        TestCase[] cases = [new("a", new int[4], 0), new("b", new int[5], 9), new("c", new int[60], 0)];

        var breakdown = Breakdown.Of(Train, cases);

        Assert.Equal([("1-4", 1), ("5-9", 1), ("50+", 1)], breakdown.ByLength([1, 0, 1]).Select(group => (group.Name, group.Metrics.Cases)));
        Assert.Equal([("0", 0.0), ("1-5", 1.0)], breakdown.ByPopularity([1, 0, 1]).Select(group => (group.Name, group.Metrics.HitRate(5))));
    }

    // For each item of the window, newest first, the one after it: ever less.
    private sealed class Successor : IEvidence
    {
        public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores)
        {
            for (var i = 0; i < window.Length; i++)
            {
                if (window[i] + 1 < scores.Length)
                {
                    scores[window[i] + 1] += weight * (i + 1);
                }
            }
        }
    }

    private sealed class TwoStepModel(int secondStep) : ITwoStepRecall
    {
        public int Asked { get; private set; }

        public ModelVersion Version => new("two-step", 1);

        public int SecondStep => secondStep;

        public IModel WithSecondStep(int secondStep) => new TwoStepModel(secondStep);

        public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
        {
            Asked = queries[0].K;
            return [.. queries.Select(_ => Array.Empty<RankedItem>())];
        }

        public void Dispose()
        {
        }
    }
}

using StreamRec.Domain;
using StreamRec.Models.Transitions;

namespace StreamRec.Models.Tests;

public sealed class TransitionCountsTests
{
    private static readonly TransitionsSettings Settings = new() { Reach = 3, Tau = 10, WindowRatio = 0.5, Popularity = 0.1 };

    [Fact]
    public void A_pair_counts_by_the_decay_of_its_distance_and_as_often_as_it_occurs()
    {
        var counts = Count([1, 2, 1, 2, 3]);

        // 1 then 2: at distance 1 twice and at distance 3 once.
        Assert.Equal(2 + MathF.Pow(3, -0.5f), counts[1, 2], 1e-6f);
        Assert.Equal(MathF.Pow(2, -0.5f), counts[1, 1], 1e-6f);
        Assert.Equal(1 + MathF.Pow(3, -0.5f), counts[2, 3], 1e-6f);
        // At distance 4, out of reach, it counts no more: what is left is distance 2.
        Assert.Equal(MathF.Pow(2, -0.5f), counts[1, 3], 1e-6f);
        Assert.Equal(0, counts[3, 1]);
        Assert.Equal((2, 2, 1, 3), (counts.Occurrences(1), counts.Occurrences(2), counts.Occurrences(3), counts.Items));
    }

    [Fact]
    public void A_geometric_decay_is_a_power_of_its_rate()
    {
        var counts = TransitionEvidence.Count(
            Settings with { Decay = TransitionDecay.Geometric, Rate = 0.7 }, [new UserHistory("u", [1, 2, 3, 4])], 0).Counts;

        Assert.Equal([1f, 0.7f, 0.49f], [counts[1, 2], counts[1, 3], counts[1, 4]], (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void Interactions_counted_one_by_one_equal_histories_counted_whole_and_impressions_count_for_nothing()
    {
        var online = new TransitionCounts(Settings, 0);
        SequenceEntry[] entries =
        [
            new(1, InteractionType.Click), new(9, InteractionType.Impression), new(2, InteractionType.Purchase), new(1, InteractionType.View), new(2, InteractionType.Click),
        ];
        for (var i = 0; i < entries.Length; i++)
        {
            online.Observed("u"u8, entries[i], entries.AsSpan(0, i));
        }

        var whole = Count([1, 2, 1, 2]);
        Assert.All(Enumerable.Range(0, 10), from => Assert.Equal(whole.ReadRow(from), online.ReadRow(from)));
        Assert.Equal(0, online.Occurrences(9));
    }

    [Fact]
    public void Rows_are_exact_while_they_grow()
    {
        var random = new Random(1);
        var histories = Enumerable.Range(0, 50).Select(u => new UserHistory($"{u}", [.. Enumerable.Range(0, 100).Select(_ => random.Next(60))])).ToArray();
        var expected = new Dictionary<(int, int), double>();
        foreach (var items in histories.Select(history => history.Items))
        {
            for (var i = 0; i < items.Length; i++)
            {
                for (var d = 1; d <= Settings.Reach && i + d < items.Length; d++)
                {
                    expected[(items[i], items[i + d])] = expected.GetValueOrDefault((items[i], items[i + d])) + Math.Pow(d, -0.5);
                }
            }
        }

        var counts = TransitionEvidence.Count(Settings, histories, 0).Counts;

        Assert.All(expected, pair => Assert.Equal(pair.Value, counts[pair.Key.Item1, pair.Key.Item2], 1e-4));
        Assert.Equal(expected.Count, Enumerable.Range(0, 60).Sum(from => counts.ReadRow(from).Length));
    }

    [Fact]
    public void A_full_row_drops_its_rarest_half_and_keeps_what_matters()
    {
        var counts = new TransitionCounts(Settings, 0);
        counts.Count(7, [0]);
        counts.Count(7, [0]);
        for (var item = 1; item <= TransitionCounts.MaxRow + 10; item++)
        {
            counts.Count(item, [0]);
        }

        Assert.Equal(3, counts[0, 7]);
        Assert.InRange(counts.ReadRow(0).Length, TransitionCounts.MaxRow / 2, TransitionCounts.MaxRow / 2 + 20);
        Assert.Equal(1, counts[0, TransitionCounts.MaxRow + 10]);
    }

    [Fact]
    public async Task Writers_on_several_threads_lose_nothing_while_others_read()
    {
        var counts = new TransitionCounts(Settings, 0);
        var evidence = new TransitionEvidence(counts, Settings);
        var writers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 5_000; i++)
            {
                counts.Count(i % 100, [(i + 1) % 100]);
                evidence.AddTo([i % 100], 1, new float[100]);
            }
        }, TestContext.Current.CancellationToken));
        await Task.WhenAll(writers);

        Assert.All(Enumerable.Range(0, 100), item => Assert.Equal((200, 200f), (counts.Occurrences(item), counts[(item + 1) % 100, item])));
    }

    [Fact]
    public void Evidence_is_the_formula()
    {
        var evidence = TransitionEvidence.Count(Settings, [new UserHistory("u", [1, 2, 3])], 0);
        var scores = new float[4];

        evidence.AddTo([1, 2], 2, scores);

        // Three items, tau 10: the newest item of the window says twice as much as the one before it.
        var expected = (2.0 / 3 * Math.Log(1 + 0.3)) + (1.0 / 3 * Math.Log(1 + (Math.Pow(2, -0.5) * 0.3))) + (0.1 * Math.Log(2));
        Assert.Equal(2 * expected, scores[3], 1e-5);
        Assert.Equal(0, scores[0]);
    }

    [Fact]
    public void A_head_has_its_share_and_what_is_before_it_is_alike()
    {
        var settings = new TransitionsSettings { Head = 2, HeadMass = 0.8, WindowRatio = 0.5 };

        Assert.Equal([0.8f * 2 / 3, 0.8f / 3, 0.1f, 0.1f], settings.WindowWeights(4), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal([2f / 3, 1f / 3], settings.WindowWeights(2), (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void Counts_of_another_decay_cannot_be_asked()
    {
        var refused = Assert.Throws<ArgumentException>(() => new TransitionEvidence(Count([1, 2]), Settings with { Reach = 4 }));

        Assert.Contains("counted with decay Power 0.5 up to distance 3; they cannot be asked with Power 0.5 up to distance 4", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_out_of_range_are_refused_by_name()
    {
        var refused = Assert.Throws<ArgumentException>(() => new TransitionCounts(Settings with { Reach = 0 }, 0));

        Assert.Contains("transitions.reach is 0; it must be in [1, 1000].", refused.Message, StringComparison.Ordinal);
    }

    private static TransitionCounts Count(params int[] items) => TransitionEvidence.Count(Settings, [new UserHistory("u", items)], 0).Counts;
}

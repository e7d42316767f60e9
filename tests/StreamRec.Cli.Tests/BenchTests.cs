using StreamRec.Cli.Bench;
using StreamRec.Domain;

namespace StreamRec.Cli.Tests;

public sealed class BenchTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Contestants_take_turns_at_being_first()
    {
        var order = new List<string>();

        await Rounds.RunAsync("test", 3, [Noting("a"), Noting("b")], Token);

        Assert.Equal(["a", "b", "b", "a", "a", "b"], order);

        Contestant Noting(string name) => (_, _) =>
        {
            order.Add(name);
            return Task.FromResult<IReadOnlyList<Sample>>([new Sample(name, 1, "")]);
        };
    }

    [Fact]
    public async Task Figures_stand_in_the_order_of_the_contestants_with_median_smallest_and_largest()
    {
        var figures = await Rounds.RunAsync("test", 3, [Of("a", 5, 1, 3), Of("b", 7, 8, 9)], Token);

        Assert.Equal(["a", "b"], figures.Select(figure => figure.Name));
        Assert.Equal([new Spread(3, 1, 5), new Spread(8, 7, 9)], figures.Select(figure => figure.Value));
        Assert.Equal(new Spread(6, 2, 10), figures[0].CpuMicroseconds);
        Assert.All(figures, figure => Assert.Equal(3, figure.Rounds));

        static Contestant Of(string name, params double[] values) => (round, _) =>
            Task.FromResult<IReadOnlyList<Sample>>([new Sample(name, values[round], "x/s", 2 * values[round])]);
    }

    [Fact]
    public void A_population_is_the_same_wherever_it_is_computed()
    {
        var (one, other) = (new Population(10, 50).Expected(7), new Population(1_000, 50).Expected(7));

        Assert.Equal(one.Entries.ToArray(), other.Entries.ToArray());
        Assert.Equal(50, one.Count);
        Assert.Equal(Enumerable.Range(0, 50).Select(n => Population.Item(7, n)), one.Entries.ToArray().Select(entry => entry.Item));
        Assert.All(one.Entries.ToArray(), entry => Assert.InRange(entry.Item, 0, Population.Items - 1));
    }

    [Fact]
    public void A_segment_of_a_population_holds_every_interaction_in_offset_order()
    {
        var states = new[] { new Population(2, 3).Expected(0), new Population(2, 3).Expected(1) };

        var segment = Population.SegmentOf(40, states);

        Assert.Equal((40, 46), (segment.FirstOffset, segment.NextOffset));
        Assert.Equal([40, 41, 42, 43, 44, 45], segment.Entries.Select(entry => entry.Offset));
        Assert.Equal(["user-0000000", "user-0000001"], segment.Users);
        Assert.Equal(
            states.SelectMany(state => state.Entries.ToArray()),
            segment.Entries.Select(entry => new SequenceEntry(entry.Item, entry.Type)));
    }
}

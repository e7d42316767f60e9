namespace StreamRec.Cli.Bench;

/// <summary>One figure of one round.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Value">The figure.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="CpuMicroseconds">Processor time for each item, µs; null where it says nothing.</param>
internal sealed record Sample(string Name, double Value, string Unit, double? CpuMicroseconds = null);

/// <summary>Median, smallest and largest of some values.</summary>
internal readonly record struct Spread(double Median, double Min, double Max)
{
    /// <param name="values">One or more, in any order.</param>
    public static Spread Of(IEnumerable<double> values)
    {
        var ordered = values.Order().ToArray();
        return new Spread(ordered[ordered.Length / 2], ordered[0], ordered[^1]);
    }
}

/// <summary>One figure over all rounds.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Unit">Unit of the value.</param>
/// <param name="Value">The figure.</param>
/// <param name="CpuMicroseconds">Processor time for each item, µs; null where it says nothing.</param>
/// <param name="Rounds">How often it was measured.</param>
internal sealed record Figure(string Name, string Unit, Spread Value, Spread? CpuMicroseconds, int Rounds)
{
    /// <summary>Merges the samples of each name, in the order in which the names came first.</summary>
    public static IReadOnlyList<Figure> Of(IEnumerable<Sample> samples) =>
    [
        .. samples.GroupBy(sample => sample.Name).Select(rounds => new Figure(
            rounds.Key,
            rounds.First().Unit,
            Spread.Of(rounds.Select(sample => sample.Value)),
            rounds.First().CpuMicroseconds is null ? null : Spread.Of(rounds.Select(sample => sample.CpuMicroseconds!.Value)),
            rounds.Count())),
    ];
}

/// <summary>What takes part in a benchmark: does its work once and returns what it measured; the argument is the round, from 0.</summary>
internal delegate Task<IReadOnlyList<Sample>> Contestant(int round, CancellationToken cancellationToken);

/// <summary>Runs contestants in rounds, A B, B A, A B, …: whatever drifts on the machine falls on all of them.</summary>
internal static class Rounds
{
    /// <param name="title">What is measured, for the progress bar.</param>
    /// <param name="rounds">Rounds, 1 or more.</param>
    /// <param name="contestants">In the order of the first round.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<IReadOnlyList<Figure>> RunAsync(
        string title, int rounds, IReadOnlyList<Contestant> contestants, CancellationToken cancellationToken)
    {
        var samples = await Output.WithProgressAsync(title, rounds * contestants.Count, "runs", async report =>
        {
            var done = 0;
            var samples = new List<(int Contestant, IReadOnlyList<Sample> Samples)>();
            for (var round = 0; round < rounds; round++)
            {
                var order = Enumerable.Range(0, contestants.Count);
                foreach (var contestant in round % 2 == 0 ? order : order.Reverse())
                {
                    // What the one before has left is not this one's to clean up.
                    GC.Collect();
                    samples.Add((contestant, await contestants[contestant](round, cancellationToken)));
                    report(++done);
                }
            }

            return samples;
        });
        return Figure.Of(samples.OrderBy(pair => pair.Contestant).SelectMany(pair => pair.Samples));
    }
}

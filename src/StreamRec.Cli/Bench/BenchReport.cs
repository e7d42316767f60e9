using System.Globalization;

namespace StreamRec.Cli.Bench;

/// <summary>What a benchmark came to.</summary>
/// <param name="Command">How to repeat it.</param>
/// <param name="Machine">Where and when.</param>
/// <param name="Workload">What was done, in a sentence or two.</param>
/// <param name="Figures">The figures.</param>
internal sealed record BenchReport(string Command, Machine Machine, string Workload, IReadOnlyList<Figure> Figures)
{
    /// <summary>Runs contestants and keeps what the figures belong to.</summary>
    /// <param name="command">How to repeat it.</param>
    /// <param name="title">For the progress bar.</param>
    /// <param name="workload">What is done.</param>
    /// <param name="rounds">Rounds, 1 or more.</param>
    /// <param name="contestants">Who takes part.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<BenchReport> RunAsync(
        string command, string title, string workload, int rounds, IReadOnlyList<Contestant> contestants, CancellationToken cancellationToken)
    {
        var machine = Machine.Now();
        return new BenchReport(command, machine, workload, await Rounds.RunAsync(title, rounds, contestants, cancellationToken));
    }

    /// <summary>As a table, with what it belongs to above it.</summary>
    public void Write()
    {
        Console.WriteLine(Command);
        Console.WriteLine(Machine);
        Console.WriteLine(Workload);
        Output.WriteTable(["", "median", "smallest", "largest", "", "CPU each", "rounds"], Figures.Select(Row));
    }

    /// <summary>The figure of a name.</summary>
    public Figure this[string name] => Figures.Single(figure => figure.Name == name);

    private static IReadOnlyList<string> Row(Figure figure) =>
    [
        figure.Name, Number(figure.Value.Median), Number(figure.Value.Min), Number(figure.Value.Max), figure.Unit,
        figure.CpuMicroseconds is { } cpu
            ? string.Create(CultureInfo.InvariantCulture, $"{cpu.Median:F2} µs ({cpu.Min:F2} to {cpu.Max:F2})")
            : "",
        figure.Rounds.ToString(CultureInfo.InvariantCulture),
    ];

    private static string Number(double value) => value.ToString(Math.Abs(value) >= 100 ? "N0" : "F2", CultureInfo.InvariantCulture);
}

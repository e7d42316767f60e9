using StreamRec.Cli.Bench;
using StreamRec.Harness;

namespace StreamRec.Benchmarks;

/// <summary>
/// Long outages of the database and of the broker: <c>./build.sh bench outage [--minutes 10] [--journal "Host=…"]</c>. With a journal of one's own
/// only the broker goes away.
/// </summary>
internal static class OutageBenchmark
{
    private const int Points = 6;

    /// <returns>0 when nothing was wrong.</returns>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        Console.WriteLine(Machine.Now());
        var options = new OutageOptions(TimeSpan.FromMinutes(arguments.Number("--minutes", 10))) { ConnectionString = arguments.Text("--journal") };
        using var directory = new TempDirectory();
        var report = await OutageRun.RunAsync(options, directory.Path, Console.WriteLine);
        Console.WriteLine($"{report.Records:N0} records; {report.Lists:N0} lists.");
        foreach (var outage in report.Outages)
        {
            var curve = Enumerable.Range(0, Points).Select(point => outage.Memory[point * (outage.Memory.Count - 1) / (Points - 1)] >> 20);
            Console.WriteLine(
                $"{outage.Of} away for {options.Length.TotalMinutes:N0} min: memory {outage.Memory[0] >> 20} MiB at its start, {outage.Memory.Max() >> 20} MiB at the most "
                + $"({string.Join(", ", curve)}); back: first list after {outage.FirstList.TotalSeconds:F1} s, {outage.Behind:N0} users caught up after {outage.CaughtUp.TotalSeconds:F1} s");
        }

        return Violations.Print(report.Violations);
    }
}

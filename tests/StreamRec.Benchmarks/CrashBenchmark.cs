using StreamRec.Harness;

namespace StreamRec.Benchmarks;

/// <summary>The long crash run: <c>./build.sh bench crash --kills 200 [--seed 1] [--journal "Host=…"]</c>. Not a measurement; it has to find nothing.</summary>
internal static class CrashBenchmark
{
    /// <returns>0 when no invariant was violated.</returns>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        var options = new CrashOptions(arguments.Number("--kills", 200), arguments.Number("--seed", 1))
        {
            ConnectionString = arguments.Text("--journal"),
            Partitions = 16,
        };
        using var directory = new TempDirectory();
        var report = await CrashRun.RunAsync(options, directory.Path, Console.WriteLine);
        Console.WriteLine($"{report.Records:N0} records, {report.Duplicates:N0} repeated, {report.DeadLetters:N0} unusable; {report.Lists:N0} lists.");
        foreach (var place in report.Kills.Keys.Union(report.NotReached.Keys).Order())
        {
            Console.WriteLine($"{place,-22} {report.Kills.GetValueOrDefault(place),4} times, {report.NotReached.GetValueOrDefault(place),3} not reached in time");
        }

        if (report.ReadyMs.Count > 0)
        {
            var ready = report.ReadyMs.Order().ToList();
            Console.WriteLine($"Ready after {ready[ready.Count / 2]:N0} ms (median), {ready[^1]:N0} ms at the most.");
        }

        return Violations.Print(report.Violations);
    }
}

using StreamRec.Cli.Bench;
using StreamRec.Harness;

namespace StreamRec.Benchmarks;

/// <summary>Three nodes of which one is killed, one frozen, one joins: <c>./build.sh bench nodes [--users 100000] [--rate 1000] [--journal "Host=…"]</c>.</summary>
internal static class NodesBenchmark
{
    /// <returns>0 when nothing was wrong.</returns>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        Console.WriteLine(Machine.Now());
        var options = new NodesOptions(arguments.Number("--users", 100_000))
        {
            ConnectionString = arguments.Text("--journal"),
            PerSecond = arguments.Number("--rate", 1000),
        };
        using var directory = new TempDirectory();
        var report = await NodesRun.RunAsync(options, directory.Path, Console.WriteLine);
        foreach (var (fault, length) in report.Standstills)
        {
            Console.WriteLine($"{fault}: everybody whom it met was served after {length.TotalSeconds:F1} s");
        }

        Console.WriteLine(
            $"{report.Records:N0} records of {report.Users:N0} users; {report.Lists:N0} lists; {report.Behind:N0} users behind when the last fault was over, "
            + $"nobody {report.Recovered.TotalSeconds:F1} s later.");
        return Violations.Print(report.Violations);
    }
}

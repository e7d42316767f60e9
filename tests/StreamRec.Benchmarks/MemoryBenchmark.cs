using StreamRec.Cli.Bench;

namespace StreamRec.Benchmarks;

/// <summary><c>streamrec bench memory</c>; what it is compared with are the item indices alone, four bytes each.</summary>
internal static class MemoryBenchmark
{
    public static async Task RunAsync(int rounds)
    {
        var report = await BenchReport.RunAsync(
            $"./build.sh bench memory {rounds}", "memory", MemoryBench.Workload, rounds, MemoryBench.Contestants, CancellationToken.None);
        report.Write();
        Goal.AtMost($"P12, {MemoryBench.Overhead}", report[MemoryBench.Overhead].Value.Median, 96);
        Goal.AtMost($"P12, {MemoryBench.Growth}, MiB", report[MemoryBench.Growth].Value.Median, 400e6 / (1 << 20));
    }
}

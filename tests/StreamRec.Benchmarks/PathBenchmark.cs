using System.Diagnostics;
using StreamRec.Cli.Bench;
using StreamRec.Kafka;

namespace StreamRec.Benchmarks;

/// <summary><c>streamrec bench path</c> beside a C program that echoes one topic into the other, on a broker of the same kind, at the same load and at its own.</summary>
internal static class PathBenchmark
{
    private const string Echo = "C echo";
    private const string SameLoad = "at the server's half load";
    private const int Flood = 100_000;

    public static async Task RunAsync(int rounds)
    {
        using var echo = await Anchor.CompileAsync("echo", "librdkafka.so.1", "librdkafka1");
        using var bench = await PathBench.StartAsync(CancellationToken.None);
        // The server first, so that the load is known; afterwards the order changes from round to round.
        var report = await BenchReport.RunAsync(
            $"./build.sh bench path {rounds}", "path", PathBench.Workload, rounds, [.. bench.Contestants, EchoAsync], CancellationToken.None);
        report.Write();
        Goal.AtLeast("P8, lists/s", report[$"{PathBench.Server}, as fast as it goes"].Value.Median, 10_000);
        foreach (var percentile in new[] { "p50", "p99" })
        {
            Goal.AtMost(
                $"P8, {percentile} at half load, ours / echo at the same load",
                report[$"{PathBench.Server}, half load: {percentile}"].Value.Median / report[$"{Echo}, {SameLoad}: {percentile}"].Value.Median,
                2);
        }

        Task<IReadOnlyList<Sample>> EchoAsync(int round, CancellationToken cancellationToken) => PathBench.MeasureAsync(
            Echo,
            bootstrapServers => Task.FromResult<IResponder>(new EchoProcess(echo, bootstrapServers)),
            Flood,
            [(SameLoad, _ => bench.HalfLoad), ("at its own half load", highest => highest / 2)],
            mustHave: null,
            cancellationToken);
    }

    private sealed class EchoProcess : IResponder
    {
        private readonly Process _process;

        public EchoProcess(Anchor echo, string bootstrapServers)
        {
            var topics = new TopicNames();
            var start = echo.Start(bootstrapServers, topics.Interactions, topics.Recommendations, $"{PathBench.Partitions}");
            start.RedirectStandardInput = start.RedirectStandardOutput = true;
            _process = Process.Start(start)!;
        }

        public TimeSpan ProcessorTime
        {
            get
            {
                _process.Refresh();
                return _process.TotalProcessorTime;
            }
        }

        public async ValueTask DisposeAsync()
        {
            _process.StandardInput.Close();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }
    }
}

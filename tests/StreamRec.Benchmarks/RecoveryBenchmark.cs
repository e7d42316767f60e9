using StreamRec.Cli.Bench;

namespace StreamRec.Benchmarks;

/// <summary><c>streamrec bench recovery</c> beside a C loop of point reads of the same users from the same file.</summary>
internal static class RecoveryBenchmark
{
    private const string Read = "SQLite in C, point reads";

    public static async Task RunAsync(int rounds)
    {
        using var read = await Anchor.CompileAsync("read", "libsqlite3.so.0", "libsqlite3-0");
        using var bench = await RecoveryBench.StartAsync(CancellationToken.None);
        var report = await BenchReport.RunAsync(
            $"./build.sh bench recovery {rounds}",
            "recovery",
            RecoveryBench.Workload,
            rounds,
            [ReadAsync, .. bench.Contestants],
            CancellationToken.None);
        report.Write();
        Goal.AtLeast("P3, users/s, ours / C loop", report[RecoveryBench.Sequences].Value.Median / report[Read].Value.Median, 0.5);
        Goal.AtMost("P3, list of a cold user, ms (median)", report[RecoveryBench.FirstList].Value.Median, 2);
        Goal.AtMost($"ready with {RecoveryBench.Users:N0} users stored, s", report[RecoveryBench.Ready].Value.Median, 10);

        async Task<IReadOnlyList<Sample>> ReadAsync(int round, CancellationToken cancellationToken) =>
            [(await read.RunAsync(RecoveryBench.ReadBack, bench.ReadBackIds, bench.JournalPath)).As(Read, "users")];
    }
}

using StreamRec.Cli.Bench;
using StreamRec.Harness;

namespace StreamRec.Benchmarks;

/// <summary>
/// <c>streamrec bench journal</c> beside a C loop that commits as many blobs of the same size to SQLite, and, where PostgreSQL is installed, beside a binary
/// COPY of as many interactions as rows.
/// </summary>
internal static class JournalBenchmark
{
    private const string Append = "SQLite in C, one blob per commit";
    private const string Copy = "PostgreSQL in C, COPY of rows";

    public static async Task RunAsync(int rounds)
    {
        await SqliteAsync(rounds);
        await using var server = new PostgresServer();
        await server.InitializeAsync();
        if (server.Missing is { } missing)
        {
            Console.WriteLine($"P4 is skipped: {missing}");
            return;
        }

        await PostgresAsync(server, rounds);
    }

    private static async Task SqliteAsync(int rounds)
    {
        using var append = await Anchor.CompileAsync("append", "libsqlite3.so.0", "libsqlite3-0");
        var bench = new JournalBench(connectionString: null);
        // Not timed: says what a commit is, and warms up.
        await bench.AppendAsync(0, CancellationToken.None);
        var report = await RunAsync(rounds, [.. bench.Contestants, AppendAsync]);
        var ours = report[bench.Name].Value.Median;
        Goal.AtLeast("P2, interactions/s, SQLite / C loop", ours / report[Append].Value.Median, 0.6);
        Goal.AtLeast("P2, interactions/s", ours, 500_000);

        async Task<IReadOnlyList<Sample>> AppendAsync(int round, CancellationToken cancellationToken)
        {
            using var scratch = new ScratchDirectory();
            var (commits, bytes) = bench.Last;
            var measured = await append.RunAsync(commits, [], scratch["anchor.db"], $"{commits}", $"{bytes / commits}");
            return [(measured with { Items = JournalBench.Interactions }).As(Append, "interactions")];
        }
    }

    private static async Task PostgresAsync(PostgresServer server, int rounds)
    {
        using var copy = await Anchor.CompileAsync("copy", "libpq.so.5", "libpq5");
        var bench = new JournalBench(server.NewSchema());
        await bench.AppendAsync(0, CancellationToken.None);
        var report = await RunAsync(rounds, [.. bench.Contestants, CopyAsync]);
        Goal.AtLeast("P4, interactions/s, PostgreSQL / COPY", report[bench.Name].Value.Median / report[Copy].Value.Median, 0.7);

        async Task<IReadOnlyList<Sample>> CopyAsync(int round, CancellationToken cancellationToken)
        {
            var commits = bench.Last.Commits;
            var rows = JournalBench.Interactions / commits;
            var measured = await copy.RunAsync(
                commits * rows, [], $"host=127.0.0.1 port={server.Port} user=streamrec dbname=postgres", $"{commits}", $"{rows}");
            return [measured.As(Copy, "interactions")];
        }
    }

    private static async Task<BenchReport> RunAsync(int rounds, IReadOnlyList<Contestant> contestants)
    {
        var report = await BenchReport.RunAsync(
            $"./build.sh bench journal {rounds}", "journal", JournalBench.Workload, rounds, contestants, CancellationToken.None);
        report.Write();
        return report;
    }
}

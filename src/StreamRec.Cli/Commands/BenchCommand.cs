using System.CommandLine;
using StreamRec.Cli.Bench;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec bench</c>: measures the streaming engine on this machine, on scratch directories that are removed.</summary>
internal static class BenchCommand
{
    private static readonly IReadOnlyDictionary<string, Func<Request, Task<BenchReport>>> Benches = new Dictionary<string, Func<Request, Task<BenchReport>>>
    {
        ["ingest"] = IngestAsync,
        ["journal"] = JournalAsync,
        ["recovery"] = RecoveryAsync,
        ["path"] = PathAsync,
        ["memory"] = MemoryAsync,
    };

    public static Command Create()
    {
        var names = new Argument<string[]>("what")
        {
            Description = "ingest, journal, recovery, path, memory; all when none is named.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        names.AcceptOnlyFromAmong([.. Benches.Keys]);
        var rounds = new Option<int>("--rounds") { Description = "How often each is measured; the median stands first.", DefaultValueFactory = _ => 5 };
        var command = new Command(
            "bench",
            "Measure the streaming engine on this machine: some minutes each, up to 3 GiB of memory and disk in the temporary directory. "
            + "'journal' measures PostgreSQL when Journal:ConnectionString is set, in a schema of its own.")
        {
            names, rounds, Feed(), Store(), Reside(),
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            if (result.GetValue(rounds) is < 1 and var few)
            {
                throw new ArgumentException($"--rounds is {few}; it must be 1 or more.");
            }

            var chosen = result.GetValue(names) is { Length: > 0 } some ? some : [.. Benches.Keys];
            var connectionString = Settings.Read(result).Journal.ConnectionString;
            var reports = new List<BenchReport>();
            foreach (var name in chosen)
            {
                reports.Add(await Benches[name](new Request(name, result.GetValue(rounds), connectionString, cancellationToken)));
                if (!Settings.AsJson(result))
                {
                    reports[^1].Write();
                }
            }

            if (Settings.AsJson(result))
            {
                Output.WriteJson(reports);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<BenchReport> IngestAsync(Request request)
    {
        await using var bench = await IngestBench.StartAsync(request.CancellationToken);
        return await request.RunAsync(IngestBench.Workload, bench.Contestants);
    }

    private static Task<BenchReport> JournalAsync(Request request)
    {
        var bench = new JournalBench(request.ConnectionString);
        return request.RunAsync(JournalBench.Workload, bench.Contestants);
    }

    private static async Task<BenchReport> RecoveryAsync(Request request)
    {
        using var bench = await RecoveryBench.StartAsync(request.CancellationToken);
        return await request.RunAsync(RecoveryBench.Workload, bench.Contestants);
    }

    private static async Task<BenchReport> PathAsync(Request request)
    {
        using var bench = await PathBench.StartAsync(request.CancellationToken);
        return await request.RunAsync(PathBench.Workload, bench.Contestants);
    }

    private static Task<BenchReport> MemoryAsync(Request request) => request.RunAsync(MemoryBench.Workload, MemoryBench.Contestants);

    private static Command Feed() => Child("feed", (_, cancellationToken) => IngestBench.FeedAsync(cancellationToken));

    private static Command Reside() => Child("reside", (_, cancellationToken) => MemoryBench.ResideAsync(cancellationToken));

    private static Command Store()
    {
        var data = new Argument<string>("directory");
        var command = Child("store", (result, cancellationToken) => RecoveryBench.StoreAsync(result.GetValue(data)!, cancellationToken));
        command.Add(data);
        return command;
    }

    /// <summary>The other process of a benchmark, not for people: ends with its standard input, so that a benchmark that was killed leaves nobody behind.</summary>
    private static Command Child(string name, Func<ParseResult, CancellationToken, Task> run)
    {
        var command = new Command(name) { Hidden = true };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var running = run(result, ending.Token);
            if (await Task.WhenAny(running, Task.Run(Console.In.ReadToEnd, CancellationToken.None)) != running)
            {
                await ending.CancelAsync();
            }

            await running;
            return ExitCode.Success;
        });
        return command;
    }

    private sealed record Request(string Name, int Rounds, string? ConnectionString, CancellationToken CancellationToken)
    {
        public Task<BenchReport> RunAsync(string workload, IReadOnlyList<Contestant> contestants) => BenchReport.RunAsync(
            $"streamrec bench {Name} --rounds {Rounds}", Name, workload, Rounds, contestants, CancellationToken);
    }
}

using System.Globalization;
using StreamRec.Benchmarks;
using StreamRec.Cli.Bench;

// ./build.sh bench [ingest|journal|recovery|path|memory|transitions|tokenize|join|train|genrec] [rounds]: each benchmark with its anchor in the same run, rounds interleaved,
// median with min and max. Ours alone, on any machine: streamrec bench.
// Runs that have to find nothing:
// ./build.sh bench crash [--kills n] [--seed n] [--journal connection string]: kills the server and looks what is left.
// ./build.sh bench syscalls [--points n] [--seed n]: kills or refuses a journal writer at its system calls.
// ./build.sh bench outage [--minutes n] [--journal connection string]: takes database and broker away for so long.
// ./build.sh bench nodes [--users n] [--rate n] [--journal connection string]: three nodes; one is killed, one frozen, one joins.
// ./build.sh bench overload [--seconds n]: ten times of what the path sustains.
// ./build.sh bench fairness [--rounds n] [--seconds n] [--hot rate]: what one user with most of the traffic costs the others.
try
{
    return args.FirstOrDefault("all") switch
    {
        "crash" => await CrashBenchmark.RunAsync(new Arguments(args)),
        "syscalls" => await SyscallBenchmark.RunAsync(new Arguments(args)),
        "outage" => await OutageBenchmark.RunAsync(new Arguments(args)),
        "nodes" => await NodesBenchmark.RunAsync(new Arguments(args)),
        "overload" => await OverloadBenchmark.RunAsync(new Arguments(args)),
        "fairness" => await FairnessBenchmark.RunAsync(new Arguments(args)),
        var benchmark => await MeasureAsync(benchmark),
    };
}
catch (AnchorMissingException exception)
{
    await Console.Error.WriteLineAsync($"error: {exception.Message}");
    await Console.Error.WriteLineAsync("Try: streamrec bench, which needs no anchor.");
    return 1;
}
catch (BenchFailedException exception)
{
    await Console.Error.WriteLineAsync($"error: {exception.Message}");
    return 1;
}

async Task<int> MeasureAsync(string benchmark)
{
    // A child process of train.
    if (benchmark == "train-ours")
    {
        TrainBenchmark.RunOurs(args[1], int.Parse(args[2], CultureInfo.InvariantCulture), int.Parse(args[3], CultureInfo.InvariantCulture));
        return 0;
    }

    // Child processes of genrec.
    if (benchmark is "genrec-train" or "genrec-decode")
    {
        GenRecJob.Run(benchmark, args[1], args[2]);
        return 0;
    }

    var rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
    var passes = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 5;
    (string Name, Func<Task> Run)[] all =
    [
        ("ingest", () => IngestBenchmark.RunAsync(rounds)),
        ("journal", () => JournalBenchmark.RunAsync(rounds)),
        ("recovery", () => RecoveryBenchmark.RunAsync(rounds)),
        ("path", () => PathBenchmark.RunAsync(rounds)),
        ("memory", () => MemoryBenchmark.RunAsync(rounds)),
        ("train", () => TrainBenchmark.RunAsync(rounds, passes)),
        ("genrec", () => GenRecBenchmark.RunAsync(rounds)),
        ("transitions", () => TransitionsBenchmark.RunAsync(rounds)),
        ("tokenize", () => TokenizeBenchmark.RunAsync(rounds)),
        ("join", () => JoinBenchmark.RunAsync(rounds)),
    ];
    var chosen = all.Where(one => benchmark == "all" || one.Name == benchmark).ToList();
    foreach (var (_, run) in chosen)
    {
        await run();
    }

    if (chosen.Count == 0)
    {
        await Console.Error.WriteLineAsync(
            $"Usage: ./build.sh bench [{string.Join('|', all.Select(one => one.Name))}] [rounds] [passes of train], "
            + "or crash, syscalls, outage, nodes, overload or fairness with their options.");
    }

    return chosen.Count == 0 ? 2 : 0;
}

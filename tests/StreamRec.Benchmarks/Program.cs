using System.Globalization;
using StreamRec.Benchmarks;
using StreamRec.Cli.Bench;

// ./build.sh bench [ingest|journal|recovery|path|memory|transitions|join|train] [rounds]: each benchmark with its anchor in the same run, rounds interleaved,
// median with min and max. Ours alone, on any machine: streamrec bench.
// ./build.sh bench crash [--kills n] [--seed n] [--journal connection string]: kills the server and looks what is left.
// ./build.sh bench fairness [--rounds n] [--seconds n] [--hot rate]: what one user with most of the traffic costs the others.
// ./build.sh bench overload [--seconds n]: ten times of what the path sustains, and what comes of it.
if (args is ["crash", ..])
{
    return await CrashBenchmark.RunAsync(args);
}

if (args is ["fairness", ..])
{
    await FairnessBenchmark.RunAsync(Number("--rounds", 2), Number("--seconds", 10), Number("--hot", 10_000));
    return 0;
}

if (args is ["overload", ..])
{
    return await OverloadBenchmark.RunAsync(Number("--seconds", 60));
}

var rounds = args.Length > 1 && args[0] != "train-ours" ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
try
{
    switch (args.FirstOrDefault("all"))
    {
        case "ingest":
            await IngestBenchmark.RunAsync(rounds);
            break;
        case "journal":
            await JournalBenchmark.RunAsync(rounds);
            break;
        case "recovery":
            await RecoveryBenchmark.RunAsync(rounds);
            break;
        case "path":
            await PathBenchmark.RunAsync(rounds);
            break;
        case "memory":
            await MemoryBenchmark.RunAsync(rounds);
            break;
        case "train":
            await TrainBenchmark.RunAsync(rounds, args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 5);
            break;
        case "transitions":
            await TransitionsBenchmark.RunAsync(rounds);
            break;
        case "join":
            await JoinBenchmark.RunAsync(rounds);
            break;
        // A child process of train.
        case "train-ours":
            TrainBenchmark.RunOurs(args[1], int.Parse(args[2], CultureInfo.InvariantCulture), int.Parse(args[3], CultureInfo.InvariantCulture));
            break;
        case "all":
            await IngestBenchmark.RunAsync(rounds);
            await JournalBenchmark.RunAsync(rounds);
            await RecoveryBenchmark.RunAsync(rounds);
            await PathBenchmark.RunAsync(rounds);
            await MemoryBenchmark.RunAsync(rounds);
            await TrainBenchmark.RunAsync(rounds, epochs: 5);
            await TransitionsBenchmark.RunAsync(rounds);
            break;
        default:
            await Console.Error.WriteLineAsync("Usage: ./build.sh bench [ingest|journal|recovery|path|memory|transitions|join|train] [rounds] [passes of train], or crash [--kills n] [--seed n] [--journal connection string], or fairness [--rounds n] [--seconds n] [--hot rate], or overload [--seconds n]");
            return 2;
    }
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

return 0;

int Number(string option, int otherwise) => args.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault() is { } value
    ? int.Parse(value, CultureInfo.InvariantCulture)
    : otherwise;

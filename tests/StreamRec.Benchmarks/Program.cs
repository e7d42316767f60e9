using System.Globalization;
using StreamRec.Benchmarks;

// ./build.sh bench [ingest|path] [rounds]: each benchmark with its anchor in the same run, rounds interleaved, median with min and max.
var rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
switch (args.FirstOrDefault("all"))
{
    case "ingest":
        await IngestBenchmark.RunAsync(rounds);
        break;
    case "path":
        await PathBenchmark.RunAsync(rounds);
        break;
    case "all":
        await IngestBenchmark.RunAsync(rounds);
        await PathBenchmark.RunAsync(rounds);
        break;
    default:
        await Console.Error.WriteLineAsync("Usage: ./build.sh bench [ingest|path] [rounds]");
        return 2;
}

return 0;

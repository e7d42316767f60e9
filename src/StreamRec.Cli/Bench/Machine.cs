using System.Globalization;
using System.Runtime.InteropServices;
using StreamRec.Journal.Sqlite;
using StreamRec.Kafka;
using StreamRec.Server;

namespace StreamRec.Cli.Bench;

/// <summary>What figures belong to; without it they say nothing.</summary>
/// <param name="Date">When.</param>
/// <param name="Version">The program's version with its commit.</param>
/// <param name="Processor">Model and number of cores.</param>
/// <param name="Memory">Of the machine.</param>
/// <param name="Software">System, runtime and native libraries.</param>
/// <param name="Load">Processes that wanted to run during the last minute, ours included, when the benchmark began; null when the system does not say.</param>
internal sealed record Machine(string Date, string Version, string Processor, string Memory, string Software, string? Load)
{
    public static Machine Now() => new(
        DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        Pipeline.CodeVersion,
        $"{Model() ?? "unknown processor"}, {Environment.ProcessorCount} cores",
        $"{(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes + (1L << 29)) >> 30} GiB",
        $"{RuntimeInformation.OSDescription.Split('\n')[0]}, .NET {Environment.Version}, librdkafka {NativeKafka.Version}, SQLite {SqliteLibrary.Version}",
        File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : null);

    /// <summary>On one line, for people.</summary>
    public override string ToString() => $"{Date}, {Version}, {Processor}, {Memory}, {Software}{(Load is null ? "" : $", load {Load}")}";

    private static string? Model() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
        : null;
}

using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Journal;
using StreamRec.Journal.Sqlite;
using StreamRec.Kafka;
using StreamRec.Server;
using StreamRec.Server.Http;
using StreamRec.Torch;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec doctor</c>: looks at everything that the server needs and says how to mend what is wrong.</summary>
internal static class DoctorCommand
{
    private const long EnoughBytes = 1L << 30;

    private static readonly TimeSpan DatabasePatience = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var command = new Command("doctor", "Check native libraries, data, models, Kafka and what becomes of its records, and say how to mend each.");
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result, LogLevel.Critical);
            var findings = new List<Finding>();
            Look(findings, ".NET", () => $"{Environment.Version} on {RuntimeInformation.OSDescription.Split('\n')[0]}, {Environment.ProcessorCount} cores", "");
            Look(findings, "libtorch", Torch, "apt-get install --no-install-recommends libtorch-dev libopenblas0-pthread g++ cmake, then build again");
            Look(findings, "librdkafka", () => NativeKafka.Version, "apt-get install librdkafka1");
            Look(findings, "SQLite", () => SqliteLibrary.Version, "apt-get install libsqlite3-0");
            Look(findings, "data directory", () => DataDirectory(options), $"make '{options.Server.DataDirectory}' writable, or name another one with --data");
            var server = ServerAddress.Find(options.Server.DataDirectory);
            Look(findings, "server", () => server is null ? "not running on this data" : $"runs as process {server.ProcessId}, {server.Url}", "");
            await LookAsync(findings, "journal", () => JournalAsync(options, server is not null, logs, cancellationToken), "restore a backup of the data directory");
            Look(findings, "champion", () => Champion(options, logs), "streamrec models activate <another version>");
            await LookAsync(findings, "Kafka", () => KafkaAsync(options, server, logs, cancellationToken), "check Kafka:BootstrapServers and the Kafka:Consumer:Config and Kafka:Producer:Config security keys");
            await LookAsync(
                findings, "interactions", () => InteractionsAsync(options, cancellationToken),
                "streamrec map test <sample.jsonl> shows what is made of your records; the section Mapping in config/streamrec.json says where their fields are");
            return Write(findings, Settings.AsJson(result));
        });
        return command;
    }

    private static string Torch()
    {
        TorchRuntime.SetThreads(1);
        var device = TorchRuntime.CudaAvailable ? $"{TorchRuntime.DeviceCount} CUDA device(s)" : "CPU";
        return $"{TorchRuntime.Version} on {device}, OpenBLAS for {TorchRuntime.OpenBlasCore ?? "an unknown core"}";
    }

    private static string DataDirectory(StreamRecOptions options)
    {
        var path = Path.GetFullPath(options.Server.DataDirectory);
        Directory.CreateDirectory(path);
        var probe = Path.Combine(path, $".doctor-{Guid.NewGuid():N}");
        File.WriteAllText(probe, "");
        File.Delete(probe);
        var free = new DriveInfo(path).AvailableFreeSpace;
        return free >= EnoughBytes
            ? $"{path}, {free >> 30} GiB free"
            : throw new IOException($"only {free >> 20} MiB are free under {path}; 1 GiB or more is wanted");
    }

    private static async Task<string> JournalAsync(StreamRecOptions options, bool inUse, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        if (inUse)
        {
            return "open in the running server";
        }

        if (options.Journal.ConnectionString is null && !File.Exists(options.Journal.Path))
        {
            return "none yet";
        }

        // A database that is away is waited for; here that is the finding.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(DatabasePatience);
        await using var data = await OpenAsync(options, logs, patience.Token, cancellationToken);
        var segments = 0L;
        await foreach (var _ in data.Journal.ReadAsync(0, null, cancellationToken))
        {
            segments++;
        }

        var statistics = await data.Journal.StatisticsAsync(cancellationToken);
        return $"{statistics.Interactions:N0} interactions, {statistics.Users:N0} users, {statistics.Items:N0} items; {segments:N0} segments read back whole";
    }

    private static async Task<OfflineData> OpenAsync(
        StreamRecOptions options, ILoggerFactory logs, CancellationToken patience, CancellationToken cancellationToken)
    {
        try
        {
            return await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, patience);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"the database of Journal:ConnectionString does not answer within {DatabasePatience.TotalSeconds:F0} s");
        }
    }

    private static string Champion(StreamRecOptions options, ILoggerFactory logs)
    {
        var registry = new ModelRegistry(options.ModelsDirectory, logs.CreateLogger<ModelRegistry>());
        using var models = new ModelControl(registry, Pipeline.Families, Pipeline.ContextAtRest(options, new Catalogue()), logs.CreateLogger<ModelControl>());
        if (models.Champion is not { } champion)
        {
            return "none yet: lists come from transitions and popularity until the first training";
        }

        models.Verify(champion);
        return $"{champion}, whole";
    }

    private static async Task<string> KafkaAsync(
        StreamRecOptions options, ServerAddress? server, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        var servers = options.Kafka.BootstrapServers ?? server?.BootstrapServers;
        var kafka = options.Kafka with { BootstrapServers = servers, ConnectTimeout = TimeSpan.FromSeconds(8) };
        await using var cluster = await KafkaCluster.StartAsync(kafka, TimeProvider.System, logs.CreateLogger<KafkaCluster>(), cancellationToken);
        return servers is null
            ? $"not configured: an embedded broker starts with the server (tried: {cluster.BootstrapServers})"
            : $"{servers} answers, {(cluster.IsEmbedded ? "an embedded broker" : "a Kafka cluster")}, topics are there";
    }

    private static async Task<string> InteractionsAsync(StreamRecOptions options, CancellationToken cancellationToken)
    {
        using var server = ServerClient.Find(options.Server.DataDirectory);
        if (server is null)
        {
            return "no server runs on this data";
        }

        var seen = await server.GetAsync<IngestView>("ingest", cancellationToken);
        var text = Describe(seen);
        return seen.Matched > 0 || seen.DeadLettered.Count == 0 ? text : throw new InvalidDataException(text);
    }

    /// <summary>Counts, and what most often went wrong.</summary>
    internal static string Describe(IngestView seen)
    {
        var parts = new List<string> { $"{seen.Consumed:N0} consumed, {seen.Matched:N0} matched" };
        if (seen.Filtered.Values.Sum() is > 0 and var filtered)
        {
            parts[0] += $", {filtered:N0} ignored";
        }

        if (seen.DeadLettered.Count > 0)
        {
            var commonest = seen.DeadLettered.MaxBy(d => d.Value);
            parts[0] += $", {seen.DeadLettered.Values.Sum():N0} dead-lettered";
            parts.Add($"commonest reason: {commonest.Key} ({commonest.Value:N0})");
        }

        if (seen.UnmatchedTypes is [var type, ..])
        {
            parts.Add($"commonest unmatched type: {Output.Harmless(type.Type)} ({type.Count:N0})");
        }

        return string.Join("; ", parts);
    }

    private static void Look(List<Finding> findings, string subject, Func<string> look, string cure)
    {
        try
        {
            findings.Add(new Finding(subject, true, look(), null));
        }
        catch (Exception exception)
        {
            // Whatever is wrong is what the doctor is asked for: every kind of failure is a finding.
            findings.Add(new Finding(subject, false, exception.Message, cure));
        }
    }

    private static async Task LookAsync(List<Finding> findings, string subject, Func<Task<string>> look, string cure)
    {
        try
        {
            findings.Add(new Finding(subject, true, await look(), null));
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            findings.Add(new Finding(subject, false, exception.Message, cure));
        }
    }

    private static int Write(List<Finding> findings, bool json)
    {
        if (json)
        {
            Output.WriteJson(findings);
        }
        else
        {
            foreach (var finding in findings)
            {
                Console.WriteLine($"{(finding.Well ? "ok  " : "FAIL")}  {finding.Subject,-15} {finding.Found}");
                if (!string.IsNullOrEmpty(finding.Cure))
                {
                    Console.WriteLine($"      {"",-15} Try: {finding.Cure}");
                }
            }
        }

        return findings.TrueForAll(f => f.Well) ? ExitCode.Success : ExitCode.Failure;
    }

    private sealed record Finding(string Subject, bool Well, string Found, string? Cure);
}

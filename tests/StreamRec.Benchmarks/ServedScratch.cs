using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Cli.Bench;
using StreamRec.Kafka;
using StreamRec.Server;

namespace StreamRec.Benchmarks;

/// <summary>A broker in this process, and a data directory with users and a model on which a server of its own process is started.</summary>
internal sealed class ServedScratch : IAsyncDisposable
{
    private readonly ScratchDirectory _directory = new();

    private ServedScratch(KafkaCluster cluster, KafkaOptions kafka) => (Cluster, Kafka) = (cluster, kafka);

    public KafkaCluster Cluster { get; }

    public KafkaOptions Kafka { get; }

    public string DataDirectory => _directory["data"];

    /// <summary>Settings of a server on these.</summary>
    public StreamRecOptions Options => StreamRecOptions.Load(null,
    [
        new("Server:DataDirectory", DataDirectory),
        new("Kafka:BootstrapServers", Cluster.BootstrapServers),
        new("Kafka:Partitions", $"{Kafka.Partitions}"),
    ]);

    /// <param name="partitions">Of each topic; the embedded broker keeps about 5 MiB of each.</param>
    /// <param name="users">Users of <see cref="Population"/>, with full windows.</param>
    public static async Task<ServedScratch> StartAsync(int partitions, int users)
    {
        var kafka = new KafkaOptions { Partitions = partitions };
        var cluster = await KafkaCluster.StartAsync(kafka, TimeProvider.System, NullLogger<KafkaCluster>.Instance, CancellationToken.None);
        var scratch = new ServedScratch(cluster, kafka);
        try
        {
            await ServedModel.PrepareAsync(scratch.DataDirectory, users, CancellationToken.None);
            return scratch;
        }
        catch
        {
            await scratch.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        _directory.Dispose();
    }
}

using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Kafka;
using StreamRec.Kafka.Publish;
using StreamRec.Server;

namespace StreamRec.Benchmarks;

/// <summary>A broker and a data directory for one round.</summary>
internal sealed class Scratch : IAsyncDisposable
{
    private Scratch(KafkaCluster cluster, KafkaOptions kafka, string directory)
    {
        Cluster = cluster;
        Kafka = kafka;
        DataDirectory = directory;
    }

    public KafkaCluster Cluster { get; }

    public KafkaOptions Kafka { get; }

    public string DataDirectory { get; }

    public static async Task<Scratch> StartAsync(int partitions)
    {
        // Enough partitions that all records of a round fit into what the embedded broker keeps.
        var kafka = new KafkaOptions { Partitions = partitions };
        var cluster = await KafkaCluster.StartAsync(kafka, TimeProvider.System, NullLogger<KafkaCluster>.Instance, CancellationToken.None);
        return new Scratch(cluster, kafka, Directory.CreateTempSubdirectory("streamrec-bench-").FullName);
    }

    /// <summary>Settings of a pipeline on this broker and directory.</summary>
    public StreamRecOptions Options(params KeyValuePair<string, string?>[] more) => StreamRecOptions.Load(null,
    [
        new("Server:DataDirectory", DataDirectory),
        new("Kafka:BootstrapServers", Cluster.BootstrapServers),
        new("Kafka:Partitions", $"{Kafka.Partitions}"),
        new("Training:Mode", "Off"),
        .. more,
    ]);

    public async Task ProduceAsync(IEnumerable<Interaction> interactions)
    {
        using var producer = new InteractionProducer(Cluster, Kafka, NullLogger<InteractionProducer>.Instance);
        foreach (var interaction in interactions)
        {
            await producer.SendAsync(interaction, CancellationToken.None);
        }

        await producer.FlushAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        Directory.Delete(DataDirectory, recursive: true);
    }
}

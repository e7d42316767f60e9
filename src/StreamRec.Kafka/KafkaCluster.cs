using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka;

/// <summary>The Kafka that this process works with: a real cluster, or an embedded broker here or in another process. Its topics exist.</summary>
/// <remarks>Owns the embedded broker that it started. Everything else of this stage is disposed before it.</remarks>
public sealed class KafkaCluster : IAsyncDisposable
{
    private readonly bool _ownsBroker;

    private KafkaCluster(string bootstrapServers, string logId, bool isEmbedded, EmbeddedBroker? broker, bool ownsBroker)
    {
        BootstrapServers = bootstrapServers;
        LogId = logId;
        IsEmbedded = isEmbedded;
        Broker = broker;
        _ownsBroker = ownsBroker;
    }

    /// <summary>Where clients connect.</summary>
    public string BootstrapServers { get; }

    /// <summary>Which log the offsets count in (<see cref="Domain.SourcePartition.Log"/>): <see cref="KafkaOptions.Log"/> for a real cluster.</summary>
    public string LogId { get; }

    /// <summary>The broker inside this process, or null.</summary>
    public EmbeddedBroker? Broker { get; }

    /// <summary>Whether the log is an embedded broker's, in whichever process.</summary>
    public bool IsEmbedded { get; }

    /// <summary>Connects to <see cref="KafkaOptions.BootstrapServers"/>, or starts an embedded broker, and makes sure that all topics exist.</summary>
    /// <exception cref="KafkaException">No broker answered within <see cref="KafkaOptions.ConnectTimeout"/>, or a topic cannot be created.</exception>
    /// <exception cref="DllNotFoundException">librdkafka is not installed.</exception>
    public static async Task<KafkaCluster> StartAsync(
        KafkaOptions options, TimeProvider time, ILogger<KafkaCluster> logger, CancellationToken cancellationToken)
    {
        NativeKafka.EnsureLoaded();
        KafkaCluster cluster;
        if (options.BootstrapServers is null)
        {
            var broker = EmbeddedBroker.Start(new EmbeddedBrokerOptions());
            cluster = new KafkaCluster(broker.BootstrapServers, broker.LogId, isEmbedded: true, broker, ownsBroker: true);
            Log.EmbeddedBrokerStarted(logger, broker.BootstrapServers, broker.LogId);
        }
        else
        {
            var embedded = await LogIdentity.FindAsync(options, time, cancellationToken);
            cluster = new KafkaCluster(options.BootstrapServers, embedded ?? options.Log ?? "", embedded is not null, broker: null, ownsBroker: false);
            Log.Connected(logger, options.BootstrapServers, embedded is null ? "Kafka" : $"an embedded broker with log {embedded}");
        }

        try
        {
            await Topics.EnsureAsync(cluster, options, time, logger, cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Uses a broker that somebody else started in this process and will dispose.</summary>
    public static KafkaCluster Of(EmbeddedBroker broker) => new(broker.BootstrapServers, broker.LogId, isEmbedded: true, broker, ownsBroker: false);

    public ValueTask DisposeAsync() => _ownsBroker ? Broker!.DisposeAsync() : ValueTask.CompletedTask;
}

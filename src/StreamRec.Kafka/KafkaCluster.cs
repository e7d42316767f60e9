using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka;

/// <summary>The Kafka that this process works with: a real cluster, or an embedded broker here or in another process. Its topics exist.</summary>
/// <remarks>Owns the embedded broker that it started. Everything else of this stage is disposed before it.</remarks>
public sealed class KafkaCluster : IAsyncDisposable
{
    private readonly bool _ownsBroker;

    private KafkaCluster(string bootstrapServers, string logId, EmbeddedBroker? broker, bool ownsBroker)
    {
        BootstrapServers = bootstrapServers;
        LogId = logId;
        Broker = broker;
        _ownsBroker = ownsBroker;
    }

    /// <summary>Where clients connect.</summary>
    public string BootstrapServers { get; }

    /// <summary>Which log the offsets count in (<see cref="Domain.SourcePartition.Log"/>): empty for a real cluster.</summary>
    public string LogId { get; }

    /// <summary>The broker inside this process, or null.</summary>
    public EmbeddedBroker? Broker { get; }

    /// <summary>Whether the log is an embedded broker's, in whichever process.</summary>
    public bool IsEmbedded => LogId.Length > 0;

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
            cluster = new KafkaCluster(broker.BootstrapServers, broker.LogId, broker, ownsBroker: true);
            Log.EmbeddedBrokerStarted(logger, broker.BootstrapServers, broker.LogId);
        }
        else
        {
            var logId = await LogIdentity.FindAsync(options, time, cancellationToken);
            cluster = new KafkaCluster(options.BootstrapServers, logId, broker: null, ownsBroker: false);
            Log.Connected(logger, options.BootstrapServers, logId.Length == 0 ? "Kafka" : $"an embedded broker with log {logId}");
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
    public static KafkaCluster Of(EmbeddedBroker broker) => new(broker.BootstrapServers, broker.LogId, broker, ownsBroker: false);

    public ValueTask DisposeAsync() => _ownsBroker ? Broker!.DisposeAsync() : ValueTask.CompletedTask;
}

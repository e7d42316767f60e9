using Confluent.Kafka;

namespace StreamRec.Kafka;

/// <summary>librdkafka settings: our defaults, then the user's, then what the guarantees rest on.</summary>
internal static class ClientConfig
{
    private const string HasOwnSetting = "it has a setting of its own in Kafka:";

    /// <summary>Consumer settings that may not be overridden, with the reason.</summary>
    internal static readonly IReadOnlyDictionary<string, string> ConsumerGuarantees = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["bootstrap.servers"] = HasOwnSetting + "BootstrapServers",
        ["metadata.broker.list"] = HasOwnSetting + "BootstrapServers",
        ["group.id"] = HasOwnSetting + "GroupId",
        ["group.instance.id"] = HasOwnSetting + "InstanceId",
        ["enable.auto.commit"] = "offsets are committed only once their interactions are durable",
        ["auto.commit.enable"] = "offsets are committed only once their interactions are durable",
        ["enable.auto.offset.store"] = "offsets are committed only once their interactions are durable",
        ["auto.offset.reset"] = "a reader that fell behind retention must be an error, never a silent jump",
        ["partition.assignment.strategy"] = "a partition is given up completely before its next owner opens it",
        ["enable.partition.eof"] = "the readers decide themselves whether they need it",
    };

    /// <summary>Producer settings that may not be overridden, with the reason.</summary>
    internal static readonly IReadOnlyDictionary<string, string> ProducerGuarantees = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["bootstrap.servers"] = HasOwnSetting + "BootstrapServers",
        ["metadata.broker.list"] = HasOwnSetting + "BootstrapServers",
        ["acks"] = "a list counts as published only once all replicas have it",
        ["request.required.acks"] = "a list counts as published only once all replicas have it",
        ["enable.idempotence"] = "a user's lists must stay in order, and none be written twice by a retry",
        ["transactional.id"] = "lists are published one by one, not in transactions",
    };

    /// <summary>A consumer that commits nothing by itself and takes a lost offset for an error.</summary>
    internal static ConsumerConfig Consumer(
        KafkaCluster cluster, KafkaOptions options, string groupId, AutoOffsetReset reset = AutoOffsetReset.Error, bool partitionEof = false)
    {
        var config = new ConsumerConfig
        {
            BootstrapServers = cluster.BootstrapServers,
            GroupId = groupId,
            AllowAutoCreateTopics = false,
            QueuedMaxMessagesKbytes = 32 * 1024,
            ReconnectBackoffMaxMs = 2000,
        };
        if (cluster.IsEmbedded)
        {
            // The mock answers a waiting fetch only when its time is up: with the usual 500 ms a hop would take 250 ms on average.
            config.FetchWaitMaxMs = 2;
            config.FetchErrorBackoffMs = 20;
            // After a member has left, the mock lets nobody join before its session would have ended (45 s by default).
            config.SessionTimeoutMs = 6000;
            config.HeartbeatIntervalMs = 1000;
            config.ReconnectBackoffMs = 20;
            config.ReconnectBackoffMaxMs = 200;
        }

        Apply(config, options.Consumer);
        config.EnableAutoCommit = false;
        config.EnableAutoOffsetStore = false;
        config.AutoOffsetReset = reset;
        config.PartitionAssignmentStrategy = PartitionAssignmentStrategy.Range;
        config.EnablePartitionEof = partitionEof;
        return config;
    }

    /// <summary>An idempotent producer that never gives up on an outage: a full queue pushes back instead.</summary>
    internal static ProducerConfig Producer(KafkaCluster cluster, KafkaOptions options)
    {
        var config = new ProducerConfig
        {
            BootstrapServers = cluster.BootstrapServers,
            LingerMs = 1,
            MessageTimeoutMs = 0,
            QueueBufferingMaxMessages = 20_000,
            QueueBufferingMaxKbytes = 64 * 1024,
            // The Java client's hash, so that topics keyed by user are partitioned alike whoever wrote them.
            Partitioner = Partitioner.Murmur2Random,
            ReconnectBackoffMaxMs = cluster.IsEmbedded ? 200 : 2000,
        };
        Apply(config, options.Producer);
        config.Acks = Acks.All;
        config.EnableIdempotence = true;
        return config;
    }

    /// <summary>The client that lists and creates topics; security settings are the producer's.</summary>
    internal static AdminClientConfig Admin(string bootstrapServers, KafkaOptions options)
    {
        var config = new AdminClientConfig { BootstrapServers = bootstrapServers, ReconnectBackoffMaxMs = 1000 };
        foreach (var (key, value) in options.Producer.Config)
        {
            if (key.StartsWith("security.", StringComparison.Ordinal)
                || key.StartsWith("sasl.", StringComparison.Ordinal)
                || key.StartsWith("ssl.", StringComparison.Ordinal)
                || key.StartsWith("enable.ssl.", StringComparison.Ordinal))
            {
                config.Set(key, value);
            }
        }

        return config;
    }

    /// <summary>Errors that no repetition mends: permission and identity.</summary>
    internal static bool NeverHeals(ErrorCode code) => code
        is ErrorCode.TopicAuthorizationFailed
        or ErrorCode.GroupAuthorizationFailed
        or ErrorCode.ClusterAuthorizationFailed
        or ErrorCode.SaslAuthenticationFailed
        or ErrorCode.Local_Authentication;

    private static void Apply(Confluent.Kafka.ClientConfig config, KafkaClientOptions client)
    {
        foreach (var (key, value) in client.Config)
        {
            config.Set(key, value);
        }
    }
}

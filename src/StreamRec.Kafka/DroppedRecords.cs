using Confluent.Kafka;

namespace StreamRec.Kafka;

/// <summary>How many records an embedded broker has dropped to make room; it says nothing of it by itself.</summary>
internal static class DroppedRecords
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>By topic, for each partition: its log begins at 0 until something is dropped.</summary>
    /// <exception cref="KafkaException">The broker does not answer.</exception>
    public static IReadOnlyDictionary<string, long[]> Count(KafkaCluster cluster, KafkaOptions options)
    {
        using var consumer = new ConsumerBuilder<Ignore, Ignore>(ClientConfig.Consumer(cluster, options, groupId: "streamrec.dropped"))
            .SetLogHandler(static (_, _) => { })
            .SetErrorHandler(static (_, _) => { })
            .Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        return admin.GetMetadata(Patience).Topics
            .Where(topic => !topic.Topic.StartsWith(EmbeddedBroker.MarkerPrefix, StringComparison.Ordinal))
            .ToDictionary(
                topic => topic.Topic,
                topic => topic.Partitions.OrderBy(partition => partition.PartitionId)
                    .Select(partition => consumer.QueryWatermarkOffsets(new TopicPartition(topic.Topic, partition.PartitionId), Patience).Low.Value)
                    .ToArray());
    }
}

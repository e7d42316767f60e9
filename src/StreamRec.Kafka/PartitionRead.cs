using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka;

/// <summary>Reading what a topic holds now, outside any group: to the end and not beyond.</summary>
internal static class PartitionRead
{
    /// <summary>The partitions of a topic, ascending.</summary>
    /// <exception cref="KafkaException">The broker does not answer in time, or has no such topic.</exception>
    public static List<TopicPartition> Partitions(this IConsumer<byte[], byte[]> consumer, string topic, KafkaOptions options)
    {
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var found = admin.GetMetadata(topic, options.ConnectTimeout).Topics.Single();
        return found.Error.IsError
            ? throw new KafkaException(new Error(found.Error.Code, $"The topic {topic} cannot be read: {found.Error.Reason}."))
            : [.. found.Partitions.Select(p => new TopicPartition(topic, p.PartitionId)).OrderBy(p => p.Partition.Value)];
    }

    /// <summary>The next record of the one partition that is assigned; null at its end. Blocks. The consumer must tell ends of partitions.</summary>
    /// <exception cref="KafkaException">The broker gave nothing within <see cref="KafkaOptions.ConnectTimeout"/>.</exception>
    public static ConsumeResult<byte[], byte[]>? Next(
        this IConsumer<byte[], byte[]> consumer, TopicPartition partition, KafkaOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        var asked = TimeProvider.System.GetTimestamp();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                if (consumer.Consume(options.PollTimeout) is { } record)
                {
                    return record.IsPartitionEOF ? null : record;
                }
            }
            catch (ConsumeException e) when (!e.Error.IsFatal && !ClientConfig.NeverHeals(e.Error.Code))
            {
                Log.ClientError(logger, e.Error.Reason, e.Error.Code.ToString());
            }

            if (TimeProvider.System.GetElapsedTime(asked) >= options.ConnectTimeout)
            {
                throw new KafkaException(new Error(
                    ErrorCode.Local_TimedOut, $"{partition.Topic}[{partition.Partition.Value}] gave nothing more within {options.ConnectTimeout.TotalSeconds:0} s."));
            }
        }
    }
}

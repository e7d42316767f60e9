using System.Text;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Harness;

/// <summary>Plain clients that share no code with the pipeline.</summary>
public static class RawKafka
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <summary>A producer with librdkafka's own partitioner, which is not that of StreamRec's producers.</summary>
    public static IProducer<byte[], byte[]> Producer(string bootstrapServers)
    {
        NativeKafka.EnsureLoaded();
        return new ProducerBuilder<byte[], byte[]>(new ProducerConfig { BootstrapServers = bootstrapServers, LingerMs = 1 }).Build();
    }

    /// <summary>The same, but it keeps its records through an outage of any length and sends them when the broker is back.</summary>
    public static IProducer<byte[], byte[]> PatientProducer(string bootstrapServers)
    {
        NativeKafka.EnsureLoaded();
        return new ProducerBuilder<byte[], byte[]>(new ProducerConfig
        {
            BootstrapServers = bootstrapServers,
            // The embedded broker hands out one producer's batch a fetch: small ones keep its readers from catching up.
            LingerMs = 400,
            EnableIdempotence = true,
            // The embedded broker takes a batch though the one before it was refused, and an idempotent producer takes that for both being stored.
            MaxInFlight = 1,
            MessageTimeoutMs = 0,
            QueueBufferingMaxMessages = 2_000_000,
            ReconnectBackoffMaxMs = 200,
        }).SetLogHandler(static (_, _) => { }).SetErrorHandler(static (_, _) => { }).Build();
    }

    /// <summary>Sends one click and waits until the broker has it.</summary>
    public static Task ClickAsync(IProducer<byte[], byte[]> producer, string user, string item, CancellationToken cancellationToken) =>
        producer.ProduceAsync(
            new TopicNames().Interactions,
            new Message<byte[], byte[]>
            {
                Key = Encoding.UTF8.GetBytes(user),
                Value = Encoding.UTF8.GetBytes($$"""{"user_id":"{{user}}","item_id":"{{item}}","type":"click"}"""),
            },
            cancellationToken);

    /// <summary>A consumer at the beginning of every partition of a topic, in no group.</summary>
    public static IConsumer<byte[], byte[]> Consumer(string bootstrapServers, string topic)
    {
        NativeKafka.EnsureLoaded();
        var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = "observer",
            EnableAutoCommit = false,
            AutoOffsetReset = AutoOffsetReset.Error,
            FetchWaitMaxMs = 5,
            QueuedMaxMessagesKbytes = 64 * 1024,
            ReconnectBackoffMaxMs = 200,
        }).SetLogHandler(static (_, _) => { }).SetErrorHandler(static (_, _) => { }).Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var partitions = admin.GetMetadata(topic, Timeout).Topics.Single().Partitions;
        consumer.Assign(partitions.Select(p => new TopicPartitionOffset(topic, p.PartitionId, 0)));
        return consumer;
    }

    /// <summary>What a topic holds now.</summary>
    public static List<ConsumeResult<byte[], byte[]>> ReadAll(string bootstrapServers, string topic)
    {
        using var consumer = Consumer(bootstrapServers, topic);
        var left = consumer.Assignment.ToDictionary(partition => partition, partition => consumer.QueryWatermarkOffsets(partition, Timeout).High.Value);
        var records = new List<ConsumeResult<byte[], byte[]>>();
        while (left.Any(end => end.Value > 0))
        {
            var record = consumer.Consume(Timeout) ?? throw new TimeoutException($"{topic} gives nothing more, but {string.Join(", ", left)} is left.");
            records.Add(record);
            if (record.Offset.Value + 1 >= left[record.TopicPartition])
            {
                left[record.TopicPartition] = 0;
            }
        }

        return records;
    }

    /// <summary>The offsets that a group has committed, by partition; 0 where there is none.</summary>
    public static long[] Committed(string bootstrapServers, string group, string topic, int partitions)
    {
        NativeKafka.EnsureLoaded();
        using var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig { BootstrapServers = bootstrapServers, GroupId = group }).Build();
        return [.. consumer
            .Committed(Enumerable.Range(0, partitions).Select(partition => new TopicPartition(topic, partition)), Timeout)
            .Select(committed => Math.Max(0, committed.Offset.Value))];
    }
}

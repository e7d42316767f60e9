using System.Globalization;
using System.Text;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Cli.Bench;

/// <summary>Interactions on their way to a topic, written as any producer would, with nothing of ours in between.</summary>
internal sealed class Traffic : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly IProducer<byte[], byte[]> _producer;
    private readonly string _topic = new TopicNames().Interactions;
    private Error? _failure;

    /// <param name="bootstrapServers">The broker.</param>
    /// <param name="linger">How long a record may wait for others.</param>
    public Traffic(string bootstrapServers, TimeSpan linger)
    {
        NativeKafka.EnsureLoaded();
        _producer = new ProducerBuilder<byte[], byte[]>(new ProducerConfig
        {
            BootstrapServers = bootstrapServers,
            LingerMs = linger.TotalMilliseconds,
            Partitioner = Partitioner.Murmur2Random,
            QueueBufferingMaxMessages = 100_000,
        }).Build();
    }

    /// <summary>Sends one; waits only while the client's own queue is full.</summary>
    /// <param name="user">Number of the user.</param>
    /// <param name="item">Number of the item.</param>
    /// <param name="eventId">The event's number, or a negative one for none.</param>
    public void Send(int user, int item, long eventId = -1)
    {
        var key = Encoding.ASCII.GetBytes(Population.UserId(user));
        var id = eventId < 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"\"event_id\":\"{eventId}\",");
        var value = Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $"{{{id}\"user_id\":\"{Population.UserId(user)}\",\"item_id\":\"{Population.ItemId(item)}\",\"type\":\"click\",\"timestamp\":1700000000000}}"));
        while (true)
        {
            ThrowFailure();
            try
            {
                _producer.Produce(_topic, new Message<byte[], byte[]> { Key = key, Value = value }, report =>
                {
                    if (report.Error.IsError)
                    {
                        Volatile.Write(ref _failure, report.Error);
                    }
                });
                return;
            }
            catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
            {
                _producer.Poll(TimeSpan.FromMilliseconds(10));
            }
        }
    }

    /// <summary>Waits until the broker has everything.</summary>
    public void Flush()
    {
        if (_producer.Flush(Patience) > 0)
        {
            throw new BenchFailedException($"The broker has not taken everything within {Patience.TotalSeconds:F0} s.");
        }

        ThrowFailure();
    }

    /// <summary>An embedded broker drops its oldest records without a word; what was dropped cannot be measured.</summary>
    /// <exception cref="BenchFailedException">Something was dropped.</exception>
    public static void RequireWhole(string bootstrapServers, int partitions)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig { BootstrapServers = bootstrapServers, GroupId = "bench-check" }).Build();
        for (var partition = 0; partition < partitions; partition++)
        {
            var low = consumer.QueryWatermarkOffsets(new TopicPartition(new TopicNames().Interactions, partition), Patience).Low.Value;
            if (low > 0)
            {
                throw new BenchFailedException($"The embedded broker has dropped {low} records of partition {partition}: more partitions are needed.");
            }
        }
    }

    public void Dispose() => _producer.Dispose();

    private void ThrowFailure()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new KafkaException(failure);
        }
    }
}

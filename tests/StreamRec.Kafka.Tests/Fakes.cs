using System.Collections.Concurrent;
using Confluent.Kafka;
using StreamRec.Domain;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Tests;

/// <summary>A clock that stands still.</summary>
internal sealed class FixedTime(DateTimeOffset now) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => now;
}

/// <summary>Shards that remember what they were given; a gate can refuse.</summary>
internal sealed class FakeSink : IInteractionSink
{
    public ConcurrentQueue<InteractionBatch> Batches { get; } = new();

    public ConcurrentQueue<SourcePartition> Opened { get; } = new();

    public ConcurrentQueue<SourcePartition> Closed { get; } = new();

    public ConcurrentDictionary<int, long> StartAt { get; } = new();

    public Func<InteractionBatch, bool> Accepts { get; set; } = _ => true;

    public Exception? OpenFailure { get; set; }

    public int Refusals;

    /// <summary>Set: every shard is gone until it is opened again.</summary>
    public volatile bool IsLost;

    public int Received => Batches.Sum(b => b.Interactions.Count);

    public ValueTask<long> OpenAsync(SourcePartition source, CancellationToken cancellationToken)
    {
        Opened.Enqueue(source);
        IsLost = false;
        return OpenFailure is null ? ValueTask.FromResult(StartAt.GetValueOrDefault(source.Partition)) : ValueTask.FromException<long>(OpenFailure);
    }

    public bool IsOpen(SourcePartition source) => !IsLost;

    public Delivery TryDeliver(InteractionBatch batch)
    {
        if (IsLost)
        {
            return Delivery.NotOpen;
        }

        if (!Accepts(batch))
        {
            Interlocked.Increment(ref Refusals);
            return Delivery.Full;
        }

        Batches.Enqueue(batch);
        return Delivery.Taken;
    }

    public ValueTask CloseAsync(SourcePartition source, CancellationToken cancellationToken)
    {
        Closed.Enqueue(source);
        return ValueTask.CompletedTask;
    }

    public long[] Offsets(int partition) =>
        [.. Batches.Where(b => b.Source.Partition == partition).SelectMany(b => b.Interactions.Records.ToArray().Select(i => i.Offset))];

    public void AssertBatchesJoin(int partition)
    {
        var next = 0L;
        foreach (var batch in Batches.Where(b => b.Source.Partition == partition))
        {
            Assert.Equal(next, batch.FirstOffset);
            Assert.All(batch.Interactions.Records.ToArray(), i => Assert.InRange(i.Offset, batch.FirstOffset, batch.NextOffset - 1));
            next = batch.NextOffset;
        }
    }
}

/// <summary>Dead letters kept in memory; their completion is the test's to give.</summary>
internal sealed class FakeDeadLetters : IDeadLetters
{
    public ConcurrentQueue<DeadLetter> Letters { get; } = new();

    public Task Completion { get; set; } = Task.CompletedTask;

    public Task WriteAsync(DeadLetter letter)
    {
        Letters.Enqueue(letter);
        return Completion;
    }
}

/// <summary>Bounded waits for a condition.</summary>
internal static class Eventually
{
    public static async Task True(Func<bool> condition, string what, int seconds = 20)
    {
        var deadline = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromSeconds(seconds), $"Not within {seconds} s: {what}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}

/// <summary>Plain clients that share no code with the stage.</summary>
internal static class Raw
{
    public static IProducer<byte[], byte[]> Producer(string bootstrapServers)
    {
        NativeKafka.EnsureLoaded();
        return new ProducerBuilder<byte[], byte[]>(new ProducerConfig { BootstrapServers = bootstrapServers, LingerMs = 1 }).Build();
    }

    public static void Produce(string bootstrapServers, string topic, int partition, params IEnumerable<byte[]?> values)
    {
        using var producer = Producer(bootstrapServers);
        foreach (var value in values)
        {
            producer.Produce(new TopicPartition(topic, partition), new Message<byte[], byte[]> { Value = value! });
        }

        Assert.Equal(0, producer.Flush(TimeSpan.FromSeconds(20)));
    }

    public static List<ConsumeResult<byte[], byte[]>> Read(string bootstrapServers, string topic, int count, int partitions = 4)
    {
        NativeKafka.EnsureLoaded();
        using var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = "test",
            AutoOffsetReset = AutoOffsetReset.Earliest,
            FetchWaitMaxMs = 2,
        }).Build();
        consumer.Assign(Enumerable.Range(0, partitions).Select(p => new TopicPartitionOffset(topic, p, Offset.Beginning)));
        var records = new List<ConsumeResult<byte[], byte[]>>();
        var start = TimeProvider.System.GetTimestamp();
        while (records.Count < count && TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(20))
        {
            if (consumer.Consume(TimeSpan.FromMilliseconds(50)) is { } record)
            {
                records.Add(record);
            }
        }

        Assert.Equal(count, records.Count);
        return records;
    }
}

using Confluent.Kafka;

namespace StreamRec.Kafka.Tests;

public sealed class KafkaIngestBackPressureTests
{
    private readonly FakeSink _sink = new();
    private readonly FakeDeadLetters _deadLetters = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_full_shard_pauses_its_partition_alone_and_nothing_is_lost()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 50, Partitions = 2 });
        var isOpen = false;
        _sink.Accepts = b => b.Source.Partition == 1 || Volatile.Read(ref isOpen);
        kafka.Produce(0, TestKafka.Clicks(3000));
        kafka.Produce(1, TestKafka.Clicks(3000));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Offsets(1).Length == 3000, "the other partition goes on");
        await Eventually.True(() => ingest.Status.Partitions.Any(p => p.IsPaused), "the full one is paused");
        Assert.Empty(_sink.Offsets(0));
        kafka.Produce(1, TestKafka.Clicks(10, first: 3000));
        await Eventually.True(() => _sink.Offsets(1).Length == 3010, "polling goes on while one is paused");
        Volatile.Write(ref isOpen, true);
        await Eventually.True(() => _sink.Offsets(0).Length == 3000, "the full one catches up");
        Assert.Equal(Enumerable.Range(0, 3000).Select(i => (long)i), _sink.Offsets(0));
        _sink.AssertBatchesJoin(0);
        Assert.DoesNotContain(ingest.Status.Partitions, p => p.IsPaused);
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_batch_that_is_refused_grows_to_its_full_size_before_its_partition_is_paused()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 50, Partitions = 1 });
        var isOpen = false;
        _sink.Accepts = _ => Volatile.Read(ref isOpen);
        kafka.Produce(0, TestKafka.Clicks(20));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => Volatile.Read(ref _sink.Refusals) > 0, "a part of a batch is refused");
        kafka.Produce(0, TestKafka.Clicks(20, first: 20));
        await Eventually.True(() => ingest.Status.Partitions is [{ NextOffset: 40 }], "it goes on being read");
        Assert.False(ingest.Status.Partitions[0].IsPaused);

        kafka.Produce(0, TestKafka.Clicks(20, first: 40));
        await Eventually.True(() => ingest.Status.Partitions is [{ IsPaused: true }], "a whole batch is refused");
        Assert.Equal(50, ingest.Status.Partitions[0].NextOffset);

        Volatile.Write(ref isOpen, true);
        await Eventually.True(() => _sink.Offsets(0).Length == 60, "all records are delivered");
        Assert.Equal(Enumerable.Range(0, 60).Select(i => (long)i), _sink.Offsets(0));
        _sink.AssertBatchesJoin(0);
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_shard_that_refuses_now_and_then_gets_everything_in_order()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 20, Partitions = 2 });
        var random = new Random(3);
        var refusing = 0;
        _sink.Accepts = _ =>
        {
            // Runs of refusals longer than the grace make real pauses.
            refusing = refusing > 0 ? refusing - 1 : random.Next(8) == 0 ? random.Next(30) : 0;
            return refusing == 0;
        };
        kafka.Produce(0, TestKafka.Clicks(2000));
        kafka.Produce(1, TestKafka.Clicks(2000));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received == 4000, "all records are delivered");
        for (var p = 0; p < 2; p++)
        {
            Assert.Equal(Enumerable.Range(0, 2000).Select(i => (long)i), _sink.Offsets(p));
            _sink.AssertBatchesJoin(p);
        }

        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_partition_that_was_paused_when_the_group_shared_out_anew_is_read_by_whoever_keeps_it()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 10, Partitions = 2 });
        var isOpen = false;
        _sink.Accepts = _ => Volatile.Read(ref isOpen);
        kafka.Produce(0, TestKafka.Clicks(100));
        kafka.Produce(1, TestKafka.Clicks(100));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => ingest.Status.Partitions.Count(p => p.IsPaused) == 2, "both are paused");
        using var other = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = kafka.Servers,
            GroupId = kafka.Options.GroupId,
            PartitionAssignmentStrategy = PartitionAssignmentStrategy.Range,
        }).Build();
        other.Subscribe(kafka.Options.Topics.Interactions);
        await MembersAsync(() => other.Assignment.Count == 1 && _sink.Opened.Count >= 3, "one of them comes back, the other member has the other");

        Volatile.Write(ref isOpen, true);

        await MembersAsync(() => _sink.Received >= 100, "it is read");
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (long)i), _sink.Offsets(_sink.Opened.Last().Partition));
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);

        // A member that does not poll takes no part in a sharing out, and the group waits for it.
        Task MembersAsync(Func<bool> condition, string what) => Eventually.True(
            () =>
            {
                other.Consume(TimeSpan.FromMilliseconds(10));
                return condition();
            },
            what);
    }

    [Fact]
    public async Task A_partition_whose_shard_is_gone_is_opened_again_and_read_from_where_the_shard_says()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 10, Partitions = 2 });
        kafka.Produce(0, TestKafka.Clicks(100));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Offsets(0).Length == 100, "all records are delivered");

        _sink.StartAt[0] = 90;
        _sink.IsLost = true;
        kafka.Produce(0, TestKafka.Clicks(50, first: 100));

        await Eventually.True(() => _sink.Offsets(0).Length == 160, "the shard is opened again");
        Assert.Equal(Enumerable.Range(90, 60).Select(i => (long)i), _sink.Offsets(0).Skip(100));
        Assert.Equal(2, _sink.Opened.Count(source => source.Partition == 0));
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_partition_to_which_nothing_comes_is_opened_again_too()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 10, Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(20));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Offsets(0).Length == 20, "all records are delivered");

        // What the shard had taken and not stored is asked for again.
        _sink.StartAt[0] = 15;
        _sink.IsLost = true;

        await Eventually.True(() => _sink.Offsets(0).Length == 25, "the shard is opened again");
        Assert.Equal([15L, 16, 17, 18, 19], _sink.Offsets(0).Skip(20));
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_batch_that_was_refused_by_a_shard_which_is_gone_is_read_again_once()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 10, Partitions = 1 });
        var isFull = true;
        _sink.Accepts = _ => !Volatile.Read(ref isFull);
        kafka.Produce(0, TestKafka.Clicks(40));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => ingest.Status.Partitions is [{ IsPaused: true }], "the partition is paused");

        Volatile.Write(ref isFull, false);
        _sink.IsLost = true;

        await Eventually.True(() => _sink.Offsets(0).Length >= 40, "the shard is opened again");
        Assert.Equal(Enumerable.Range(0, 40).Select(i => (long)i), _sink.Offsets(0).Distinct());
        await Eventually.True(() => ingest.Status.Partitions is [{ IsPaused: false }], "nothing is refused any more");
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task Lag_is_what_the_log_holds_beyond_the_reader()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1, BatchSize = 10 });
        _sink.Accepts = _ => false;
        kafka.Produce(0, TestKafka.Clicks(1000));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => ingest.Status.Partitions is [{ IsPaused: true, NextOffset: > 0 } p] && p.Lag == 1000 - p.NextOffset, "the lag is known");
        await ingest.StopAsync(Cancelled);
    }
}

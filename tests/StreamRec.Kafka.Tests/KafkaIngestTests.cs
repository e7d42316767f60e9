using Confluent.Kafka;

namespace StreamRec.Kafka.Tests;

public sealed class KafkaIngestTests
{
    private readonly FakeSink _sink = new();
    private readonly FakeDeadLetters _deadLetters = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_record_of_every_partition_is_delivered_once_in_order_and_batches_join()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 100 });
        for (var p = 0; p < 4; p++)
        {
            kafka.Produce(p, TestKafka.Clicks(5000));
        }

        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received == 20_000, "all records are delivered");
        kafka.Produce(2, TestKafka.Clicks(10, first: 5000));
        await Eventually.True(() => _sink.Received == 20_010, "later records are delivered");
        await ingest.StopAsync(Cancelled);

        for (var p = 0; p < 4; p++)
        {
            Assert.Equal(Enumerable.Range(0, p == 2 ? 5010 : 5000).Select(i => (long)i), _sink.Offsets(p));
            AssertBatchesJoin(p);
        }

        Assert.All(_sink.Batches, b => Assert.True(b.Interactions.Count <= 100 && b.DeadLettered.IsCompletedSuccessfully));
        Assert.All(_sink.Opened, s => Assert.Equal(kafka.Broker.LogId, s.Log));
        Assert.Equal(_sink.Opened.Order(BySource), _sink.Closed.Order(BySource));
        Assert.Equal(20_010, ingest.Status.Consumed);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task Reading_resumes_where_the_shard_says_whatever_was_committed()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(100));
        _sink.StartAt[0] = 60;
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received == 40, "the rest is delivered");
        Assert.Equal(60, _sink.Batches.First().FirstOffset);
        Assert.Equal(Enumerable.Range(60, 40).Select(i => (long)i), _sink.Offsets(0));
        await ingest.StopAsync(Cancelled);
    }

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
        AssertBatchesJoin(0);
        Assert.DoesNotContain(ingest.Status.Partitions, p => p.IsPaused);
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
            AssertBatchesJoin(p);
        }

        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task An_unusable_record_is_dead_lettered_and_the_batch_waits_for_it()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        var durable = new TaskCompletionSource();
        _deadLetters.Completion = durable.Task;
        kafka.Produce(0, [.. TestKafka.Clicks(2), "broken"u8.ToArray(), null, .. TestKafka.Clicks(1, first: 4), new byte[70_000]]);
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Batches.LastOrDefault()?.NextOffset == 6, "all records are read");
        Assert.Equal([0, 1, 4], _sink.Offsets(0));
        AssertBatchesJoin(0);
        Assert.Contains(_sink.Batches, b => !b.DeadLettered.IsCompleted);
        durable.SetResult();
        await Task.WhenAll(_sink.Batches.Select(b => b.DeadLettered)).WaitAsync(TimeSpan.FromSeconds(10), Cancelled);
        Assert.Equal(
            [("invalid_json", 2), ("empty", 3), ("oversized", 5)],
            _deadLetters.Letters.Select(l => (l.Code, l.Record.Offset.Value)));
        Assert.Equal(1, ingest.Status.DeadLettered["oversized"]);
        await ingest.StopAsync(Cancelled);
    }

    [Fact]
    public async Task Unusable_records_end_in_the_dead_letter_topic()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, "broken"u8.ToArray());
        using var deadLetters = kafka.DeadLetters();
        using var ingest = await kafka.IngestAsync(_sink, deadLetters);
        var record = Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 1, partitions: 1));
        Assert.Equal("broken"u8.ToArray(), record.Message.Value);
        Assert.Equal("invalid_json"u8.ToArray(), record.Message.Headers.GetLastBytes("streamrec.error.code"));
        await ingest.StopAsync(Cancelled);
        Assert.True(_sink.Batches.Single().DeadLettered.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Completed_offsets_are_committed_to_Kafka_and_no_others()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(100));
        using (var ingest = await kafka.IngestAsync(_sink, _deadLetters))
        {
            await Eventually.True(() => _sink.Received == 100, "all records are delivered");
            Assert.Equal(Offset.Unset, Committed(kafka));
            kafka.Completed.Completed(_sink.Opened.First(), 30);
            kafka.Completed.Completed(_sink.Opened.First(), 20);
            await Eventually.True(() => Committed(kafka) == 30, "the completed offset is committed");
            kafka.Completed.Completed(_sink.Opened.First(), 99);
            await ingest.StopAsync(Cancelled);
            Assert.Equal(0, ingest.Status.CommitFailures);
        }

        Assert.Equal(99, Committed(kafka).Value);
    }

    [Fact]
    public async Task A_log_that_dropped_its_beginning_is_an_error_with_the_exact_numbers()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        Overflow(kafka);
        var low = LowWatermark(kafka);
        Assert.True(low > 0, "the log must have overflowed");
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => !kafka.Failures.IsEmpty, "the host is told");
        var gap = Assert.IsType<LogGapException>(Assert.Single(kafka.Failures));
        Assert.Equal((0, low, low), (gap.WantedOffset, gap.AvailableOffset, gap.MissingOffsets));
        Assert.Equal(_sink.Opened.Single(), gap.Partition);
        Assert.True(ingest.Status.Partitions.Single().HasGap);
        await ingest.StopAsync(Cancelled);
        Assert.Empty(_sink.Batches);
        Assert.Single(_sink.Closed);
    }

    [Fact]
    public async Task A_reader_overtaken_by_retention_while_it_was_paused_is_an_error_with_the_exact_numbers()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1, BatchSize = 10 });
        var isOpen = true;
        _sink.Accepts = _ => Volatile.Read(ref isOpen);
        kafka.Produce(0, TestKafka.Clicks(10));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received == 10, "the first batch is delivered");
        Volatile.Write(ref isOpen, false);
        kafka.Produce(0, TestKafka.Clicks(10, first: 10));
        await Eventually.True(() => ingest.Status.Partitions.Single().IsPaused, "the partition is paused");
        var refusedAt = ingest.Status.Partitions.Single().NextOffset;
        Overflow(kafka);
        var low = LowWatermark(kafka);
        Assert.True(low > refusedAt);
        Volatile.Write(ref isOpen, true);
        await Eventually.True(() => !kafka.Failures.IsEmpty, "the host is told");
        var gap = Assert.IsType<LogGapException>(Assert.Single(kafka.Failures));
        Assert.Equal((refusedAt, low), (gap.WantedOffset, gap.AvailableOffset));
        Assert.Equal(Enumerable.Range(0, (int)refusedAt).Select(i => (long)i), _sink.Offsets(0));
        await ingest.StopAsync(Cancelled);
    }

    [Fact]
    public async Task A_log_that_is_shorter_than_what_was_read_is_an_error()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(5));
        _sink.StartAt[0] = 50;
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => !kafka.Failures.IsEmpty, "the host is told");
        var gap = Assert.IsType<LogGapException>(Assert.Single(kafka.Failures));
        Assert.Equal((50, 5), (gap.WantedOffset, gap.AvailableOffset));
        Assert.Contains("the log ends at 5", gap.Message, StringComparison.Ordinal);
        await ingest.StopAsync(Cancelled);
    }

    [Fact]
    public async Task A_broker_that_goes_and_comes_back_costs_nothing_but_time()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2 });
        kafka.Produce(0, TestKafka.Clicks(100));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received == 100, "the first records are delivered");
        kafka.Broker.SetDown();
        kafka.Completed.Completed(_sink.Opened.First(s => s.Partition == 0), 100);
        kafka.Broker.SetUp();
        for (var p = 0; p < 2; p++)
        {
            kafka.Produce(p, TestKafka.Clicks(50, first: 100));
        }

        await Eventually.True(() => _sink.Received == 200, "the later records are delivered");
        Assert.Equal(Enumerable.Range(0, 150).Select(i => (long)i), _sink.Offsets(0));
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_shard_that_cannot_open_stops_the_host()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        _sink.OpenFailure = new InvalidOperationException("The journal is corrupt.");
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => !kafka.Failures.IsEmpty, "the host is told");
        Assert.Same(_sink.OpenFailure, Assert.Single(kafka.Failures));
        await ingest.StopAsync(Cancelled);
    }

    [Fact]
    public async Task Lag_is_what_the_log_holds_beyond_the_reader()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1, BatchSize = 10 });
        _sink.Accepts = _ => false;
        kafka.Produce(0, TestKafka.Clicks(1000));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => ingest.Status.Partitions is [{ IsPaused: true, Lag: 990, NextOffset: 10 }], "990 records are waiting");
        await ingest.StopAsync(Cancelled);
    }

    private static readonly Comparer<Domain.SourcePartition> BySource = Comparer<Domain.SourcePartition>.Create((a, b) => a.Partition.CompareTo(b.Partition));

    private void AssertBatchesJoin(int partition)
    {
        var next = 0L;
        foreach (var batch in _sink.Batches.Where(b => b.Source.Partition == partition))
        {
            Assert.Equal(next, batch.FirstOffset);
            Assert.All(batch.Interactions, i => Assert.InRange(i.Offset, batch.FirstOffset, batch.NextOffset - 1));
            next = batch.NextOffset;
        }
    }

    // 8 MB into a partition that keeps 5 MiB, in records that fit a request.
    private static void Overflow(TestKafka kafka) =>
        kafka.Produce(0, Enumerable.Range(0, 200).Select(_ => (byte[]?)System.Text.Encoding.UTF8.GetBytes("""{"user_id":"u","item_id":"i"}""".PadRight(40_000))));

    private static long LowWatermark(TestKafka kafka)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig { BootstrapServers = kafka.Servers, GroupId = "watermark" }).Build();
        return consumer.QueryWatermarkOffsets(new TopicPartition(kafka.Options.Topics.Interactions, 0), TimeSpan.FromSeconds(10)).Low.Value;
    }

    private static Offset Committed(TestKafka kafka)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(
            new ConsumerConfig { BootstrapServers = kafka.Servers, GroupId = kafka.Options.GroupId }).Build();
        return consumer.Committed([new TopicPartition(kafka.Options.Topics.Interactions, 0)], TimeSpan.FromSeconds(10)).Single().Offset;
    }
}

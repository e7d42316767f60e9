using Confluent.Kafka;

namespace StreamRec.Kafka.Tests;

public sealed class LogGapTests
{
    private readonly FakeSink _sink = new();
    private readonly FakeDeadLetters _deadLetters = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

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

    // 8 MB into a partition that keeps 5 MiB, in records that fit a request.
    private static void Overflow(TestKafka kafka) =>
        kafka.Produce(0, Enumerable.Range(0, 200).Select(_ => (byte[]?)System.Text.Encoding.UTF8.GetBytes("""{"user_id":"u","item_id":"i"}""".PadRight(40_000))));

    private static long LowWatermark(TestKafka kafka)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig { BootstrapServers = kafka.Servers, GroupId = "watermark" }).Build();
        return consumer.QueryWatermarkOffsets(new TopicPartition(kafka.Options.Topics.Interactions, 0), TimeSpan.FromSeconds(10)).Low.Value;
    }
}

using Confluent.Kafka;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class LogGapTests
{
    private readonly FakeSink _sink = new();
    private readonly FakeDeadLetters _deadLetters = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_partition_whose_log_dropped_its_beginning_stands_still_and_tells_the_exact_numbers()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        Overflow(kafka);
        var low = LowWatermark(kafka);
        Assert.True(low > 0, "the log must have overflowed");
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        var gap = await GapAsync(ingest);
        Assert.Equal((0, low, low), (gap.WantedOffset, gap.AvailableOffset, gap.MissingOffsets));
        Assert.Equal(_sink.Opened.Single(), gap.Source);
        await ingest.StopAsync(Cancelled);
        Assert.Empty(_sink.Batches);
        Assert.Single(_sink.Closed);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_gap_that_is_accepted_is_gone_over_without_a_hole_in_the_journal_s_positions()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2 });
        Overflow(kafka);
        var low = LowWatermark(kafka);
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        var gap = await GapAsync(ingest);
        // Long enough for the partition to be paused: the other one is read, and attended to, at the same time.
        kafka.Produce(1, TestKafka.Clicks(3));
        await Eventually.True(() => _sink.Received == 3 && kafka.Counted.Count == 1, "the reader attends to its partitions");
        ingest.AcceptGap(gap);
        await Eventually.True(() => _sink.Offsets(0).Length == 200 - low, "what is left is read");
        Assert.Equal(low, _sink.Offsets(0)[0]);
        Assert.Empty(ingest.Status.Gaps);
        kafka.Produce(0, TestKafka.Clicks(3));
        await Eventually.True(() => _sink.Offsets(0).Length == 203 - low, "and what comes after");
        _sink.AssertBatchesJoin(0);
        await ingest.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task Accepting_another_gap_than_the_one_that_is_there_changes_nothing()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2 });
        Overflow(kafka);
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        var gap = await GapAsync(ingest);
        ingest.AcceptGap(gap with { AvailableOffset = gap.AvailableOffset + 1 });
        ingest.AcceptGap(gap with { Source = gap.Source with { Partition = 7 } });
        // The other partition goes on, so the reader has had its turns.
        kafka.Produce(1, TestKafka.Clicks(5));
        await Eventually.True(() => _sink.Received == 5, "the other partition is read");
        Assert.Equal(gap, Assert.Single(ingest.Status.Gaps));
        await ingest.StopAsync(Cancelled);
        Assert.Empty(_sink.Offsets(0));
    }

    [Fact]
    public async Task A_reader_overtaken_by_retention_while_it_was_paused_stands_still_and_goes_on_once_that_is_accepted()
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
        var gap = await GapAsync(ingest);
        Assert.Equal((refusedAt, low), (gap.WantedOffset, gap.AvailableOffset));
        Assert.Equal(Enumerable.Range(0, (int)refusedAt).Select(i => (long)i), _sink.Offsets(0));
        ingest.AcceptGap(gap);
        await Eventually.True(() => _sink.Offsets(0).LastOrDefault() == 219, "what is left is read");
        await ingest.StopAsync(Cancelled);
        Assert.All(_sink.Batches.Zip(_sink.Batches.Skip(1)), pair => Assert.Equal(pair.First.NextOffset, pair.Second.FirstOffset));
    }

    [Fact]
    public async Task A_log_that_is_shorter_than_what_was_read_cannot_be_accepted()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(5));
        _sink.StartAt[0] = 50;
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        var gap = await GapAsync(ingest);
        Assert.Equal((50, 5), (gap.WantedOffset, gap.AvailableOffset));
        Assert.Contains("the log ends at 5", gap.Message, StringComparison.Ordinal);
        Assert.False(gap.CanBeAccepted);
        await ingest.StopAsync(Cancelled);
    }

    private static async Task<LogGap> GapAsync(KafkaIngest ingest)
    {
        await Eventually.True(() => ingest.Status.Gaps.Count > 0, "the gap is seen");
        return Assert.Single(ingest.Status.Gaps);
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

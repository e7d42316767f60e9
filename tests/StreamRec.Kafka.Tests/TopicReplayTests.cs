using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class TopicReplayTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeSink _sink = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task From_the_earliest_everything_is_handed_over_and_each_partition_closed()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 3, BatchSize = 10 });
        kafka.Produce(0, TestKafka.Clicks(25));
        kafka.Produce(2, [.. TestKafka.Clicks(3), "broken"u8.ToArray(), "{}"u8.ToArray()]);

        var shares = new List<double>();
        var result = await ReplayAsync(kafka, "earliest", shares.Add);

        Assert.Equal((30, 28, 0), (result.Records, result.Interactions, result.Filtered));
        Assert.Equal([("invalid_json", 1), ("missing_user_id", 1)], result.Unusable.OrderBy(code => code.Key).Select(code => (code.Key, code.Value)));
        Assert.Equal(Enumerable.Range(0, 25).Select(i => (long)i), _sink.Offsets(0));
        Assert.Equal([0L, 1, 2], _sink.Offsets(2));
        Assert.Equal([0, 1, 2], _sink.Closed.Select(source => source.Partition));
        _sink.AssertBatchesJoin(0);
        _sink.AssertBatchesJoin(2);
        Assert.Equal(5, _sink.Batches.Last().NextOffset);
        Assert.Equal(shares.Order(), shares);
        Assert.Equal(1, shares[^1]);
    }

    [Fact]
    public async Task From_an_offset_the_first_batch_begins_where_the_journal_is()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2, BatchSize = 10 });
        kafka.Produce(0, TestKafka.Clicks(25));
        kafka.Produce(1, TestKafka.Clicks(5));

        await ReplayAsync(kafka, "offset=20");

        Assert.Equal(Enumerable.Range(20, 5).Select(i => (long)i), _sink.Offsets(0));
        _sink.AssertBatchesJoin(0);
        // Nothing is behind offset 20 here: the position moves to the end all the same.
        Assert.Empty(_sink.Offsets(1));
        _sink.AssertBatchesJoin(1);
        Assert.Equal(5, _sink.Batches.Single(batch => batch.Source.Partition == 1).NextOffset);
    }

    [Fact]
    public async Task Only_the_partitions_that_are_named_are_read()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2 });
        kafka.Produce(0, TestKafka.Clicks(5));
        kafka.Produce(1, TestKafka.Clicks(5));

        await ReplayAsync(kafka, "offset=1:3");

        Assert.Equal([3L, 4], _sink.Offsets(1));
        Assert.Equal([1], _sink.Opened.Select(source => source.Partition));
        var refusal = await Assert.ThrowsAsync<ArgumentException>(() => ReplayAsync(kafka, "offset=2:0"));
        Assert.Contains("partition 2", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task From_a_moment_it_begins_with_the_first_record_written_then_or_later()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1, BatchSize = 2 });
        using (var producer = Raw.Producer(kafka.Servers))
        {
            foreach (var (value, i) in TestKafka.Clicks(6).Zip([0, 60, 120, 90, 180, 240]))
            {
                await producer.ProduceAsync(new TopicPartition(kafka.Options.Topics.Interactions, 0), new Message<byte[], byte[]>
                {
                    Value = value,
                    Timestamp = new Timestamp(Now.AddSeconds(i - 300)),
                }, Cancelled);
            }
        }

        var result = await ReplayAsync(kafka, "last=3m");

        // 120 s of 300 is the moment; what was written before it and stands behind belongs to it.
        Assert.Equal([2L, 3, 4, 5], _sink.Offsets(0));
        Assert.Equal(4, result.Records);
        _sink.AssertBatchesJoin(0);
    }

    [Fact]
    public async Task An_interrupted_replay_goes_on_where_the_journal_is_whatever_the_start_says()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(10));
        _sink.StartAt[0] = 7;

        await ReplayAsync(kafka, "offset=9");

        Assert.Equal([7L, 8, 9], _sink.Offsets(0));
    }

    [Fact]
    public async Task An_interrupted_replay_does_not_go_on_in_a_log_that_has_lost_its_place()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2 });
        // The embedded broker keeps 5 MiB of a partition.
        kafka.Produce(0, Enumerable.Repeat(new byte[100_000], 100));
        kafka.Produce(1, TestKafka.Clicks(10));

        _sink.StartAt[0] = 1;
        var dropped = await Assert.ThrowsAsync<IOException>(() => ReplayAsync(kafka, "earliest"));
        (_sink.StartAt[0], _sink.StartAt[1]) = (100, 20);
        var recreated = await Assert.ThrowsAsync<IOException>(() => ReplayAsync(kafka, "earliest"));

        Assert.Contains("has come to offset 1, and the oldest available is", dropped.Message);
        Assert.Contains("has come to offset 20, and the log ends at 10", recreated.Message);
        Assert.Equal(0, _sink.Received);
    }

    [Fact]
    public async Task A_full_shard_is_waited_for_and_one_that_is_gone_ends_the_replay()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, TestKafka.Clicks(10));
        _sink.Accepts = _ => Volatile.Read(ref _sink.Refusals) >= 3;

        await ReplayAsync(kafka, "earliest");

        Assert.Equal((10, 3), (_sink.Received, _sink.Refusals));
        _sink.Accepts = _ =>
        {
            _sink.IsLost = true;
            return false;
        };
        await Assert.ThrowsAsync<IOException>(() => ReplayAsync(kafka, "earliest"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("latest")]
    [InlineData("ts=yesterday")]
    [InlineData("last=7")]
    [InlineData("last=d")]
    [InlineData("last=-1d")]
    [InlineData("last=99999999d")]
    [InlineData("offset=-1")]
    [InlineData("offset=1:2,1:3")]
    [InlineData("offset=1:")]
    [InlineData("earliest=1")]
    public void A_start_that_is_none_is_refused_with_the_forms(string text)
    {
        var refusal = Assert.Throws<ArgumentException>(() => ReplayStart.Parse(text, Now));
        Assert.Contains($"--from is '{text}'; it must be earliest, ts=", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_start_is_understood_in_each_form()
    {
        Assert.Equal(Now.AddDays(-7).ToUnixTimeMilliseconds(), ReplayStart.Parse("last=7d", Now).TimestampMs);
        Assert.Equal(Now.AddMinutes(-90).ToUnixTimeMilliseconds(), ReplayStart.Parse("last=90m", Now).TimestampMs);
        Assert.Equal(Now.ToUnixTimeMilliseconds(), ReplayStart.Parse("ts=2026-11-20T13:00:00+01:00", Now).TimestampMs);
        Assert.Equal(Now.ToUnixTimeMilliseconds(), ReplayStart.Parse("ts=2026-11-20T12:00:00", Now).TimestampMs);
        Assert.Equal(12, ReplayStart.Parse("offset=12", Now).Offset);
        Assert.Equal([(0, 5L), (3, 0L)], ReplayStart.Parse("offset=0:5,3:0", Now).Offsets!.Select(offset => (offset.Key, offset.Value)));
        Assert.Equal((null, null, null), ReplayStart.Parse("earliest", Now) is var all ? (all.TimestampMs, all.Offset, all.Offsets) : default);
    }

    private async Task<ReplayResult> ReplayAsync(TestKafka kafka, string from, Action<double>? report = null)
    {
        using var replay = new TopicReplay(kafka.Cluster, kafka.Options, new MappingOptions(), _sink, TimeProvider.System, NullLogger<TopicReplay>.Instance);
        return await replay.RunAsync(ReplayStart.Parse(from, Now), report ?? (_ => { }), Cancelled);
    }
}

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
            _sink.AssertBatchesJoin(p);
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
    public async Task A_record_that_the_mapping_ignores_moves_the_position_and_is_counted_and_not_dead_lettered()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        kafka.Produce(0, Records("view_item", "ping", "ping", "like", "view_item", "ping"));
        var mapping = new MappingOptions { User = "$.u.id", Type = "$.what", Types = { ["view_item"] = "view", ["ping"] = "ignore" } };
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters, mapping);
        await Eventually.True(() => _sink.Batches.LastOrDefault()?.NextOffset == 6, "all records are read");
        await ingest.StopAsync(Cancelled);

        Assert.Equal([0, 4], _sink.Offsets(0));
        _sink.AssertBatchesJoin(0);
        Assert.Equal([3], _deadLetters.Letters.Select(l => l.Record.Offset.Value));
        var status = ingest.Status;
        Assert.Equal((6, 3, 1), (status.Consumed, status.Filtered["ignored_type"], status.DeadLettered["unknown_type"]));
        Assert.Equal(new Dictionary<string, long> { ["like"] = 1 }, status.UnmatchedTypes.Words);

        static IEnumerable<byte[]> Records(params IEnumerable<string> words) =>
            words.Select(word => System.Text.Encoding.UTF8.GetBytes($$"""{"u":{"id":"u"},"item_id":"i","what":"{{word}}"}"""));
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
        _sink.AssertBatchesJoin(0);
        Assert.Contains(_sink.Batches, b => !b.DeadLettered.IsCompleted);
        durable.SetResult();
        await Task.WhenAll(_sink.Batches.Select(b => b.DeadLettered)).WaitAsync(TimeSpan.FromSeconds(10), Cancelled);
        Assert.Equal(
            [("invalid_json", 2), ("empty", 3), ("oversized", 5)],
            _deadLetters.Letters.Select(l => (l.Code, l.Record.Offset.Value)));
        Assert.Equal(1, ingest.Status.DeadLettered["oversized"]);
        await ingest.StopAsync(Cancelled);
    }

    private static readonly Comparer<Domain.SourcePartition> BySource = Comparer<Domain.SourcePartition>.Create((a, b) => a.Partition.CompareTo(b.Partition));
}

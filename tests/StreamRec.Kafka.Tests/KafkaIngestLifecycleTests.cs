using Confluent.Kafka;
using StreamRec.Domain;

namespace StreamRec.Kafka.Tests;

public sealed class KafkaIngestLifecycleTests
{
    private readonly FakeSink _sink = new();
    private readonly FakeDeadLetters _deadLetters = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

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
    public async Task A_static_member_that_comes_back_reads_on()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2, InstanceId = "node-1" });
        kafka.Produce(0, TestKafka.Clicks(10));
        using (var ingest = await kafka.IngestAsync(_sink, _deadLetters))
        {
            await Eventually.True(() => _sink.Received == 10, "what is there is read");
            await ingest.StopAsync(Cancelled);
        }

        _sink.StartAt[0] = 10;
        kafka.Produce(0, TestKafka.Clicks(5, first: 10));
        using (var ingest = await kafka.IngestAsync(_sink, _deadLetters))
        {
            await Eventually.True(() => _sink.Received == 15, "it is back");
            await ingest.StopAsync(Cancelled);
        }

        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_member_that_is_fenced_stops_the_host()
    {
        const short heartbeat = 12;
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 2, InstanceId = "node-1" });
        kafka.Produce(0, TestKafka.Clicks(10));
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received == 10, "what is there is read");
        kafka.Broker.PushRequestErrors(heartbeat, ErrorCode.FencedInstanceId);
        await Eventually.True(() => !kafka.Failures.IsEmpty, "the host is told");
        Assert.True(Assert.IsType<KafkaException>(kafka.Failures.First()).Error.IsFatal);
        await ingest.StopAsync(Cancelled);
    }

    [Fact]
    public async Task Members_that_come_and_go_under_traffic_hand_over_every_record_in_order()
    {
        const int partitions = 4;
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = partitions });
        var ends = new long[partitions];
        using var ending = new CancellationTokenSource();
        var traffic = Task.Run(
            () =>
            {
                while (!ending.IsCancellationRequested)
                {
                    for (var p = 0; p < partitions; p++)
                    {
                        kafka.Produce(p, TestKafka.Clicks(20));
                        ends[p] += 20;
                    }
                }
            },
            Cancelled);
        var other = new FakeSink();
        using var ingest = await kafka.IngestAsync(_sink, _deadLetters);
        await Eventually.True(() => _sink.Received > 200, "the first reads");
        using (var second = await kafka.IngestAsync(other, _deadLetters))
        {
            await Eventually.True(() => other.Received > 200, "the second reads");
            await second.StopAsync(Cancelled);
        }

        var opened = _sink.Opened.Count;
        await Eventually.True(() => _sink.Opened.Count >= opened + partitions, "the first has everything again");
        await ending.CancelAsync();
        await traffic;
        await Eventually.True(
            () => Enumerable.Range(0, partitions).All(p => _sink.Batches.LastOrDefault(b => b.Source.Partition == p)?.NextOffset == ends[p]), "all is read");
        await ingest.StopAsync(Cancelled);

        Assert.Empty(kafka.Failures);
        foreach (var sink in new[] { _sink, other })
        {
            Assert.All(sink.Batches.GroupBy(b => b.Source.Partition), ofPartition => AssertJoin([.. ofPartition]));
        }

        // Each opening begins at 0 here; every other batch begins where the one before it ended.
        static void AssertJoin(InteractionBatch[] batches)
        {
            for (var i = 1; i < batches.Length; i++)
            {
                Assert.True(batches[i].FirstOffset == 0 || batches[i].FirstOffset == batches[i - 1].NextOffset);
                Assert.Equal(batches[i].NextOffset - batches[i].FirstOffset, batches[i].Interactions.Count);
            }
        }
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

    private static Offset Committed(TestKafka kafka)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(
            new ConsumerConfig { BootstrapServers = kafka.Servers, GroupId = kafka.Options.GroupId }).Build();
        return consumer.Committed([new TopicPartition(kafka.Options.Topics.Interactions, 0)], TimeSpan.FromSeconds(10)).Single().Offset;
    }
}

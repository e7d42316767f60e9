using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class PartitionWatchTests
{
    private readonly SteppedTime _time = new();
    private readonly List<int> _counted = [];

    [Fact]
    public async Task The_first_number_is_told_and_each_that_is_another_one()
    {
        var watch = Watch();
        await watch.Tick(() => 4);
        _time.Advance(TimeSpan.FromMinutes(1));
        await watch.Tick(() => 4);
        _time.Advance(TimeSpan.FromMinutes(1));
        await watch.Tick(() => 8);
        Assert.Equal([4, 8], _counted);
    }

    [Fact]
    public async Task It_asks_once_a_minute_and_again_after_no_answer()
    {
        var watch = Watch();
        await watch.Tick(() => throw new KafkaException(new Error(ErrorCode.Local_TimedOut)));
        await watch.Tick(() => 4);
        Assert.Empty(_counted);
        _time.Advance(TimeSpan.FromMinutes(1));
        // What a broker says of a topic that it does not have.
        await watch.Tick(() => 0);
        _time.Advance(TimeSpan.FromMinutes(1));
        await watch.Tick(() => 4);
        Assert.Equal([4], _counted);
    }

    [Fact]
    public async Task Ingest_tells_how_many_partitions_the_topic_has()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 3 });
        using var ingest = await kafka.IngestAsync(new FakeSink(), new FakeDeadLetters());
        await Eventually.True(() => !kafka.Counted.IsEmpty, "the number is told");
        Assert.Equal([3], kafka.Counted);
        await ingest.StopAsync(TestContext.Current.CancellationToken);
    }

    private PartitionWatch Watch() => new("t", Count, _time, NullLogger.Instance);

    private Task Count(int partitions)
    {
        _counted.Add(partitions);
        return Task.CompletedTask;
    }

    private sealed class SteppedTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan by) => _ticks += by.Ticks;
    }
}

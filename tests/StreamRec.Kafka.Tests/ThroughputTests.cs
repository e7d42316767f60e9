using System.Diagnostics;
using System.Text;
using Confluent.Kafka;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

/// <summary>Figures, not checks: run on demand with <c>-explicit only</c>. Each is the best of several rounds in one process.</summary>
public sealed class ThroughputTests(ITestOutputHelper output)
{
    private const int Rounds = 6;
    private const int PerPartition = 30_000;

    [Fact(Explicit = true)]
    public void Decoding_alone()
    {
        var decoder = new InteractionDecoder(65536, TimeProvider.System);
        var records = Records(PerPartition, 0).ToArray();
        var best = 0.0;
        for (var round = 0; round < Rounds * 5; round++)
        {
            var start = Stopwatch.GetTimestamp();
            foreach (var record in records)
            {
                Assert.Null(decoder.Decode(record, default, 0, out _));
            }

            best = Math.Max(best, records.Length / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        output.WriteLine($"decode: {best:N0} records/s of {records[0].Length} bytes");
    }

    [Fact(Explicit = true)]
    public async Task Consumed_and_decoded_into_a_sink_that_drops_all()
    {
        await using var kafka = await TestKafka.StartAsync();
        var count = 0;
        var isOpen = true;
        var sink = new FakeSink
        {
            Accepts = b =>
            {
                count += Volatile.Read(ref isOpen) ? b.Interactions.Count : 0;
                return Volatile.Read(ref isOpen);
            },
        };
        using var ingest = await kafka.IngestAsync(sink, new FakeDeadLetters());
        Fill(kafka, 1, 0);
        await Eventually.True(() => Volatile.Read(ref count) == 4, "warm");
        for (var round = 0; round < Rounds; round++)
        {
            Volatile.Write(ref isOpen, false);
            Fill(kafka, PerPartition, 1 + round * PerPartition);
            await Eventually.True(() => ingest.Status.Partitions.All(p => p.IsPaused), "all are paused");
            var (from, gen0) = (Volatile.Read(ref count), GC.CollectionCount(0));
            var start = Stopwatch.GetTimestamp();
            Volatile.Write(ref isOpen, true);
            await Until(from + 20_000);
            var (warm, begun) = (Stopwatch.GetTimestamp(), Volatile.Read(ref count));
            await Until(from + 4 * PerPartition);
            var rate = (Volatile.Read(ref count) - begun) / Stopwatch.GetElapsedTime(warm).TotalSeconds;
            output.WriteLine(
                $"ingest: {rate:N0} records/s after {Stopwatch.GetElapsedTime(start, warm).TotalMilliseconds:N0} ms for the first 20,000, "
                + $"gen0 {GC.CollectionCount(0) - gen0}, gen2 {GC.CollectionCount(2)} so far");
            output.WriteLine($"bare loop: {BareLoop(kafka, 1 + round * PerPartition):N0} records/s");
            sink.Batches.Clear();
        }

        await ingest.StopAsync(TestContext.Current.CancellationToken);
        Assert.Empty(kafka.Failures);

        async Task Until(int wanted)
        {
            while (Volatile.Read(ref count) < wanted)
            {
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }
        }
    }

    private static double BareLoop(TestKafka kafka, long offset)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(ClientConfig.Consumer(kafka.Cluster, kafka.Options, "bare")).Build();
        consumer.Assign(Enumerable.Range(0, 4).Select(p => new TopicPartitionOffset(kafka.Options.Topics.Interactions, p, offset)));
        var start = 0L;
        for (var n = 0; n < 4 * PerPartition; n++)
        {
            while (consumer.Consume(100) is null)
            {
            }

            start = n == 0 ? Stopwatch.GetTimestamp() : start;
        }

        return 4 * PerPartition / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Fill(TestKafka kafka, int count, int first)
    {
        for (var p = 0; p < 4; p++)
        {
            kafka.Produce(p, Records(count, first));
        }
    }

    private static IEnumerable<byte[]> Records(int count, int first) => Enumerable.Range(first, count).Select(i => Encoding.UTF8.GetBytes(
        $$"""{"user_id":"u{{i * 7919 % 5000}}","item_id":"B{{i * 104729 % 12000:D9}}","type":"click","timestamp":1795130220000,"value":5}"""));
}

using Confluent.Kafka;
using StreamRec.Cli.Bench;
using StreamRec.Kafka;

namespace StreamRec.Benchmarks;

/// <summary><c>streamrec bench ingest</c> beside loops that only count the same records: Confluent.Kafka in C#, and librdkafka in C.</summary>
internal static class IngestBenchmark
{
    private const string Bare = "bare Confluent.Kafka loop";
    private const string C = "librdkafka in C";

    private static readonly string Topic = new TopicNames().Interactions;

    public static async Task RunAsync(int rounds)
    {
        using var consume = await Anchor.CompileAsync("consume", "librdkafka.so.1", "librdkafka1");
        await using var bench = await IngestBench.StartAsync(CancellationToken.None);
        var report = await BenchReport.RunAsync(
            $"./build.sh bench ingest {rounds}",
            "ingest",
            IngestBench.Workload,
            rounds,
            [(_, _) => BareAsync(bench.BootstrapServers), (_, _) => ConsumeAsync(consume, bench.BootstrapServers), .. bench.Contestants],
            CancellationToken.None);
        report.Write();
        foreach (var ours in new[] { IngestBench.KeepingNothing, IngestBench.OnDisk })
        {
            Goal.AtMost($"P1 a, CPU of '{ours}' / '{Bare}'", Cpu(ours) / Cpu(Bare), 1.5);
            Goal.AtMost($"P1 b, CPU of '{ours}' / '{C}'", Cpu(ours) / Cpu(C), 5);
        }

        double Cpu(string name) => report[name].CpuMicroseconds!.Value.Median;
    }

    private static async Task<IReadOnlyList<Sample>> BareAsync(string bootstrapServers)
    {
        NativeKafka.EnsureLoaded();
        var config = new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = "bare",
            EnableAutoCommit = false,
            AutoOffsetReset = AutoOffsetReset.Earliest,
        };
        foreach (var (name, value) in IngestBench.Consumer)
        {
            config.Set(name, value);
        }

        using var consumer = new ConsumerBuilder<byte[], byte[]>(config).Build();
        consumer.Assign(Enumerable.Range(0, IngestBench.Partitions).Select(p => new TopicPartitionOffset(Topic, p, Offset.Beginning)));
        Count(consumer, IngestBench.Users);
        var measured = await Measurement.OfAsync(IngestBench.Timed, () =>
        {
            Count(consumer, IngestBench.Timed);
            return Task.CompletedTask;
        });
        return [measured.As(Bare, "records")];
    }

    private static void Count(IConsumer<byte[], byte[]> consumer, int records)
    {
        for (var seen = 0; seen < records;)
        {
            if (consumer.Consume(TimeSpan.FromMilliseconds(100)) is not null)
            {
                seen++;
            }
        }
    }

    private static async Task<IReadOnlyList<Sample>> ConsumeAsync(Anchor consume, string bootstrapServers)
    {
        var measured = await consume.RunAsync(
            IngestBench.Timed, [],
            [
                bootstrapServers, Topic, $"{IngestBench.Partitions}", $"{IngestBench.Users}", $"{IngestBench.Timed}",
                .. IngestBench.Consumer.Select(setting => $"{setting.Key}={setting.Value}"),
            ]);
        return [measured.As(C, "records")];
    }
}

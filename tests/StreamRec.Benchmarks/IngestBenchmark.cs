using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Server;

namespace StreamRec.Benchmarks;

/// <summary>
/// From the topic to the synced journal and the users' states, no lists asked for, beside a bare consumer loop that only counts the same records.
/// </summary>
/// <remarks>Timed from the first record seen to the last one durable: joining the consumer group (three seconds on the embedded broker) is not throughput.</remarks>
internal static class IngestBenchmark
{
    private const int Records = 300_000;
    private const int Users = 50_000;
    private const int Items = 12_000;
    private const int Partitions = 48;

    public static async Task RunAsync(int rounds)
    {
        Measurement.PrintMachine();
        var (ours, bare) = (new List<Measurement>(), new List<Measurement>());
        for (var round = 0; round < rounds; round++)
        {
            // A B, B A, A B, …: whatever drifts on the machine falls on both.
            await using var scratch = await Scratch.StartAsync(Partitions);
            await scratch.ProduceAsync(Interactions(round));
            if (round % 2 == 0)
            {
                bare.Add(await BareAsync(scratch));
                ours.Add(await OursAsync(scratch));
            }
            else
            {
                ours.Add(await OursAsync(scratch));
                bare.Add(await BareAsync(scratch));
            }
        }

        Measurement.Print("bare Confluent.Kafka loop", "records", bare);
        Measurement.Print("ingest to the synced journal", "interactions", ours);
    }

    private static async Task<Measurement> OursAsync(Scratch scratch)
    {
        await using var pipeline = await Pipeline.StartAsync(
            scratch.Options(new KeyValuePair<string, string?>("Users:RecommendOn", "RequestsOnly")), TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        while (pipeline.Figures.Interactions == 0)
        {
            await Task.Delay(1);
        }

        var first = pipeline.Figures.Interactions;
        var measured = await Measurement.OfAsync(Records - first, async () =>
        {
            while (pipeline.Figures.Interactions < Records)
            {
                if (pipeline.Failed.IsCompleted)
                {
                    throw await pipeline.Failed;
                }

                await Task.Delay(1);
            }
        });
        var stored = (await pipeline.Journal.StatisticsAsync(CancellationToken.None)).Interactions;
        return stored == Records ? measured : throw new InvalidOperationException($"The journal holds {stored} interactions of {Records}.");
    }

    private static async Task<Measurement> BareAsync(Scratch scratch)
    {
        var config = new ConsumerConfig
        {
            BootstrapServers = scratch.Cluster.BootstrapServers,
            GroupId = "bare",
            EnableAutoCommit = false,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            FetchWaitMaxMs = 2,
        };
        using var consumer = new ConsumerBuilder<byte[], byte[]>(config).Build();
        consumer.Assign(Enumerable.Range(0, Partitions).Select(p => new TopicPartitionOffset(scratch.Kafka.Topics.Interactions, p, Offset.Beginning)));
        while (consumer.Consume(TimeSpan.FromMilliseconds(10)) is null)
        {
            // Connecting is not throughput either.
        }

        return await Measurement.OfAsync(Records - 1, () =>
        {
            for (var seen = 1; seen < Records;)
            {
                if (consumer.Consume(TimeSpan.FromMilliseconds(100)) is not null)
                {
                    seen++;
                }
            }

            return Task.CompletedTask;
        });
    }

    private static IEnumerable<Interaction> Interactions(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Records; i++)
        {
            yield return new Interaction($"user-{random.Next(Users):d6}", $"item-{random.Next(Items):d5}", InteractionType.Click, 1_700_000_000_000 + i);
        }
    }
}

using System.Diagnostics;
using StreamRec.Domain;

namespace StreamRec.Cli.Bench;

/// <summary>What a resident user costs: a million users of 50 items each, applied one interaction after the other, in a process of their own.</summary>
internal static class MemoryBench
{
    public const int Users = 1_000_000;
    public const int History = 50;
    public const string Overhead = "bytes per user beyond its item indices";
    public const string Growth = "growth of the resident set";
    public const string Peak = "growth of the resident set, peak";
    public const string Apply = "route and apply, no Kafka, no journal";

    private const int Partitions = 16;
    private const int BatchSize = 2_000;
    private const int IndexBytes = 4;

    public static string Workload =>
        $"{Users:N0} users with {History} interactions each in {Partitions} shards, a journal that keeps nothing; resident set and heap after a full collection, beside what they were before.";

    public static IReadOnlyList<Contestant> Contestants => [MeasureAsync];

    private static async Task<IReadOnlyList<Sample>> MeasureAsync(int round, CancellationToken cancellationToken)
    {
        await using var child = Child.Start("bench", "reside");
        var found = await child.ReadAsync(cancellationToken);
        double Of(string name) => found.GetProperty(name).GetDouble();
        return
        [
            new Sample(Overhead, (Of("heap_bytes") / Users) - (IndexBytes * History), "B"),
            new Sample(Growth, Of("resident_bytes") / (1 << 20), "MiB"),
            new Sample(Peak, Of("peak_bytes") / (1 << 20), "MiB"),
            new Sample(Apply, Of("per_second"), "interactions/s", Of("cpu_microseconds")),
        ];
    }

    /// <summary>The other process: fills the shards and writes what they take.</summary>
    public static async Task ResideAsync(CancellationToken cancellationToken)
    {
        await using var journal = new KeepsNothing();
        var items = Enumerable.Range(0, Population.Items).Select(Population.ItemId).ToArray();
        await journal.AddItemsAsync(items, cancellationToken);
        await using var stages = new Stages(journal, Partitions, residentUsers: 2 * Users);
        var sources = Enumerable.Range(0, Partitions).Select(partition => Population.Source with { Partition = partition }).ToArray();
        foreach (var source in sources)
        {
            await stages.Shards.OpenAsync(source, cancellationToken);
        }

        var (heap, resident) = Memory();
        using var process = Process.GetCurrentProcess();
        var peak = resident;
        var measured = await Measurement.OfAsync((long)Users * History, async () =>
        {
            for (var n = 0; n < History; n++)
            {
                await DeliverAsync(stages, sources, items, n, cancellationToken);
                process.Refresh();
                peak = Math.Max(peak, process.WorkingSet64);
            }

            await stages.AppliedAsync((long)Users * History, cancellationToken);
        });
        var (heapAfter, residentAfter) = Memory();
        if (stages.Shards.Resident != Users)
        {
            throw new BenchFailedException($"{stages.Shards.Resident:N0} users are resident, not {Users:N0}.");
        }

        Output.WriteJson(new
        {
            HeapBytes = heapAfter - heap,
            ResidentBytes = residentAfter - resident,
            PeakBytes = peak - resident,
            measured.PerSecond,
            CpuMicroseconds = measured.MicrosecondsEach,
        });
        GC.KeepAlive(items);
    }

    /// <summary>Everybody's n-th interaction.</summary>
    private static async Task DeliverAsync(Stages stages, SourcePartition[] sources, string[] items, int n, CancellationToken cancellationToken)
    {
        const int perPartition = Users / Partitions;
        for (var first = 0; first < perPartition; first += BatchSize)
        {
            var count = Math.Min(BatchSize, perPartition - first);
            foreach (var source in sources)
            {
                var offset = ((long)n * perPartition) + first;
                var interactions = new IngestedInteractions(count);
                for (var i = 0; i < count; i++)
                {
                    var user = ((first + i) * Partitions) + source.Partition;
                    interactions.Add(
                        offset + i, new Interaction(Population.UserId(user), items[Population.Item(user, n)], InteractionType.Click, 1_700_000_000_000));
                }

                var batch = new InteractionBatch(source, offset, offset + count, interactions, Task.CompletedTask);
                while (stages.Shards.TryDeliver(batch) is var delivery && delivery != Delivery.Taken)
                {
                    if (delivery == Delivery.NotOpen)
                    {
                        throw new BenchFailedException($"The shard of {source} has failed.");
                    }

                    await Task.Delay(1, cancellationToken);
                }
            }
        }
    }

    private static (long Heap, long Resident) Memory()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using var process = Process.GetCurrentProcess();
        return (GC.GetTotalMemory(forceFullCollection: true), process.WorkingSet64);
    }
}

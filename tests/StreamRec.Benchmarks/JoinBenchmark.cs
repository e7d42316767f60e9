using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.Benchmarks;

/// <summary>A journal that got its interactions one at a time, with and without joining: its size, a full read, and what an append waits.</summary>
internal static class JoinBenchmark
{
    private const int Partitions = 16;
    private const int Interactions = 1_000_000;
    private const int Users = 50_000;
    private const int Items = 12_000;
    private const int InFlight = 64;
    private const int Single = 20_000;

    /// <param name="rounds">Full reads of each journal.</param>
    public static async Task RunAsync(int rounds)
    {
        foreach (var joinSegments in new[] { 0, new JournalOptions().JoinSegments })
        {
            var directory = Directory.CreateTempSubdirectory("streamrec-bench-").FullName;
            try
            {
                await RunAsync(rounds, new JournalOptions { Path = Path.Combine(directory, "journal.db"), JoinSegments = joinSegments });
            }
            finally
            {
                Directory.Delete(directory, recursive: true);
            }
        }
    }

    private static async Task RunAsync(int rounds, JournalOptions options)
    {
        var started = Stopwatch.GetTimestamp();
        long[] waits;
        await using (var journal = await OpenAsync(options))
        {
            await journal.AddItemsAsync([.. Enumerable.Range(0, Items).Select(i => $"item-{i:d5}")], CancellationToken.None);
            await Task.WhenAll(Enumerable.Range(0, Partitions).Select(p => FillAsync(journal, p)));
            waits = await AppendSinglyAsync(journal);
        }

        var filled = Stopwatch.GetElapsedTime(started);
        await using var reopened = await OpenAsync(options);
        var seconds = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var from = Stopwatch.GetTimestamp();
            var read = 0L;
            await foreach (var segment in reopened.ReadAsync(0, null, CancellationToken.None))
            {
                read += segment.Segment.Entries.Count;
            }

            seconds.Add(Stopwatch.GetElapsedTime(from).TotalSeconds);
            if (read != Interactions + Single)
            {
                throw new InvalidOperationException($"{read} interactions were read of {Interactions + Single}.");
            }
        }

        var statistics = await reopened.StatisticsAsync(CancellationToken.None);
        seconds.Sort();
        Array.Sort(waits);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"JoinSegments {options.JoinSegments,5}: {statistics.Segments,9:N0} rows, {statistics.Bytes / 1e6:F1} MB, full read {seconds[rounds / 2]:F2} s ({seconds[0]:F2} to {seconds[^1]:F2}); append alone p50 {Ms(0.5):F2} ms, p99 {Ms(0.99):F2}, p99.9 {Ms(0.999):F2}, longest {Ms(1):F1}; filled in {filled.TotalSeconds:F0} s"));

        double Ms(double share) => TimeSpan.FromTicks(waits[Math.Min(waits.Length - 1, (int)(share * waits.Length))]).TotalMilliseconds;
    }

    private static Task<IJournal> OpenAsync(JournalOptions options) =>
        SegmentJournal.OpenAsync(options, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, CancellationToken.None);

    private static async Task FillAsync(IJournal journal, int partition)
    {
        var random = new Random(partition);
        var lease = await journal.AcquireAsync(new SourcePartition("streamrec.interactions", "", partition), CancellationToken.None);
        var appends = new Queue<Task<long>>();
        for (var i = 0; i < Interactions / Partitions; i++)
        {
            appends.Enqueue(journal.AppendAsync(lease, One(random, partition, i), CancellationToken.None).AsTask());
            if (appends.Count == InFlight)
            {
                var position = await appends.Dequeue();
                if (i % 500 == 0)
                {
                    await journal.SaveUsersAsync(lease, [], position, 0, CancellationToken.None);
                }
            }
        }

        await Task.WhenAll(appends);
        await journal.SaveUsersAsync(lease, [], await appends.Last(), 0, CancellationToken.None);
    }

    /// <summary>How long each append takes, in ticks of 100 ns, where nothing else is under way.</summary>
    private static async Task<long[]> AppendSinglyAsync(IJournal journal)
    {
        var random = new Random(Partitions);
        var lease = await journal.AcquireAsync(new SourcePartition("streamrec.interactions", "", Partitions), CancellationToken.None);
        var waits = new long[Single];
        for (var i = 0; i < Single; i++)
        {
            var from = Stopwatch.GetTimestamp();
            var position = await journal.AppendAsync(lease, One(random, Partitions, i), CancellationToken.None);
            waits[i] = Stopwatch.GetElapsedTime(from).Ticks;
            if (i % 100 == 0)
            {
                await journal.SaveUsersAsync(lease, [], position, 0, CancellationToken.None);
            }
        }

        return waits;
    }

    // A user's interactions are all in one partition.
    private static Segment One(Random random, int partition, int i) => new(
        i, i + 1, i, [$"user-{random.Next(Users / Partitions) * Partitions + partition:d8}"],
        [new SegmentEntry(0, random.Next(Items), InteractionType.Click, i, 1_700_000_000_000 + i * 1000L, double.NaN, null)]);
}

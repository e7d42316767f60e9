using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.SyscallFaults;

/// <summary>What the child does: rounds of appends, saves and removals that are the same each time, and a line for each that was acknowledged.</summary>
/// <remarks>It goes on where the journal ends, so that running it again finishes what a fault has interrupted.</remarks>
/// <param name="path">The journal's file.</param>
/// <param name="acknowledged">Gets the lines; each must be out of the process when it is written.</param>
public sealed class JournalWriting(string path, TextWriter acknowledged)
{
    public const int Partitions = 4;
    public const int Rounds = 32;

    /// <summary>All appended and all saved.</summary>
    public const int Finished = 0;

    /// <summary>The journal has failed and refused everything after it.</summary>
    public const int Failed = 3;

    /// <summary>The journal has failed and taken something after it.</summary>
    public const int FailedAndWentOn = 4;

    public const string SavedUser = "saved";

    private const int Items = 200;
    private const int Users = 9;
    private const int OffsetsPerSegment = 10_000;

    // With long event ids together more than the write-ahead log may hold before it is copied into the file, so that some faults meet that.
    private const int MaxEntries = 600;
    private const int EventIdLength = 240;
    private const int RoundsPerSave = 3;
    private const int RoundsPerRemoval = 8;

    public static string ItemId(int number) => number < Items ? $"item-{number}" : $"new-{number - Items}";

    public static SourcePartition Partition(int number) => new("streamrec.interactions", "log-1", number);

    /// <summary>The user whom the round appends to its first partition and removes at its end, or null.</summary>
    public static string? Removed(int round) => round % RoundsPerRemoval == RoundsPerRemoval - 1 ? $"removed-{round}" : null;

    /// <summary>What the round appends to a partition.</summary>
    public static Segment Segment(int partition, int round)
    {
        var random = new Random(round * Partitions + partition);
        var users = Enumerable.Range(0, Users).Select(user => $"user-{partition}-{user}").ToList();
        if (partition == 0 && Removed(round) is { } removed)
        {
            users.Add(removed);
        }

        var first = (long)round * OffsetsPerSegment;
        var entries = Enumerable.Range(0, users.Count + random.Next(MaxEntries)).Select(i => new SegmentEntry(
            i < users.Count ? i : random.Next(users.Count), random.Next(Items + round + 1), InteractionType.Click, first + i,
            1_700_000_000_000 + random.Next(100_000), double.NaN, $"{random.Next()}".PadLeft(EventIdLength, 'e')));
        return new Segment(first, first + OffsetsPerSegment, first, users, [.. entries]);
    }

    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync()
    {
        IJournal? journal = null;
        try
        {
            journal = await SegmentJournal.OpenAsync(
                new JournalOptions { Path = path }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, CancellationToken.None);
            await WriteAsync(journal);
            return Finished;
        }
        catch (Exception failure)
        {
            Say($"failed {failure.GetType().Name}: {failure.Message.ReplaceLineEndings(" ")}");
            return journal is null || await RefusesAsync(journal) ? Failed : FailedAndWentOn;
        }
        finally
        {
            await (journal?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }

    private async Task WriteAsync(IJournal journal)
    {
        await journal.AddItemsAsync([.. Enumerable.Range(0, Items).Select(ItemId)], CancellationToken.None);
        var leases = new PartitionLease[Partitions];
        for (var partition = 0; partition < Partitions; partition++)
        {
            leases[partition] = await journal.AcquireAsync(Partition(partition), CancellationToken.None);
        }

        for (var round = 0; round < Rounds; round++)
        {
            await journal.AddItemsAsync([ItemId(Items + round)], CancellationToken.None);
            // Those that wait together share a commit.
            await Task.WhenAll(leases.Index().Select(lease => AppendAsync(journal, lease.Item, lease.Index, round)));
            if (round % RoundsPerSave == 0)
            {
                await journal.SaveUsersAsync(leases[0], [Saved(round)], 0, 0, CancellationToken.None);
                Say($"saved {round + 1}");
            }

            if (Removed(round) is { } user)
            {
                await journal.ForgetAsync(user, leases, CancellationToken.None);
                Say($"removed {user}");
            }
        }
    }

    private async Task AppendAsync(IJournal journal, PartitionLease lease, int partition, int round)
    {
        var segment = Segment(partition, round);
        if (segment.FirstOffset >= lease.NextOffset)
        {
            await journal.AppendAsync(lease, segment, CancellationToken.None);
            Say($"appended {partition} {round}");
        }
    }

    private static BehaviorSequence Saved(int round)
    {
        var sequence = new BehaviorSequence(SavedUser);
        for (var i = 0; i <= round; i++)
        {
            sequence.Apply(i, InteractionType.Click, i, null, 64);
        }

        return sequence;
    }

    /// <summary>Whether nothing at all is taken any more.</summary>
    private static async Task<bool> RefusesAsync(IJournal journal)
    {
        Func<Task>[] attempts =
        [
            async () => await journal.AcquireAsync(Partition(0), CancellationToken.None),
            async () => await journal.AddItemsAsync(["after"], CancellationToken.None),
            async () => await journal.AddAuditAsync("after", "the failure", CancellationToken.None),
            async () => await journal.LoadUsersAsync([SavedUser], CancellationToken.None),
        ];
        foreach (var attempt in attempts)
        {
            try
            {
                await attempt();
                return false;
            }
            catch (JournalFailedException)
            {
                // As it should.
            }
        }

        return true;
    }

    // Appends of one round acknowledge from several threads.
    private void Say(string line)
    {
        lock (acknowledged)
        {
            acknowledged.WriteLine(line);
            acknowledged.Flush();
        }
    }
}

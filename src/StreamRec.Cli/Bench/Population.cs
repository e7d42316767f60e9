using StreamRec.Domain;

namespace StreamRec.Cli.Bench;

/// <summary>Users and what they did, computed from their numbers: two processes know the same without telling each other.</summary>
/// <param name="Users">How many.</param>
/// <param name="History">Interactions of each.</param>
internal sealed record Population(int Users, int History)
{
    public const int Items = 12_000;

    private const long Time = 1_700_000_000_000;
    private const int UsersInSegment = 1_000;
    private const int MaxSequence = 1_024;

    /// <summary>Where stored interactions came from; not a topic that anybody reads.</summary>
    public static SourcePartition Source { get; } = new("bench.stored", "bench", 0);

    public static string UserId(int user) => $"user-{user:d7}";

    public static string ItemId(int item) => $"item-{item:d5}";

    /// <summary>The item of a user's n-th interaction; the popular half is chosen three times out of four.</summary>
    public static int Item(int user, int n)
    {
        var hash = Mix(((ulong)(uint)user << 32) | (uint)n);
        return (int)((hash >> 32) % (ulong)((hash & 3) == 0 ? Items : Items / 2));
    }

    /// <summary>What must be known of a user.</summary>
    public BehaviorSequence Expected(int user)
    {
        var state = new BehaviorSequence(UserId(user));
        for (var n = 0; n < History; n++)
        {
            state.Apply(Item(user, n), InteractionType.Click, Time + n, null, MaxSequence);
        }

        return state;
    }

    /// <summary>Stores everybody's interactions and states, as a shard would.</summary>
    /// <param name="journal">An empty one.</param>
    /// <param name="report">Told how many users are durable.</param>
    /// <param name="cancellationToken">Stops between two segments.</param>
    /// <returns>The lease, for what comes after.</returns>
    public async Task<PartitionLease> StoreAsync(IJournal journal, Action<double> report, CancellationToken cancellationToken)
    {
        await journal.AddItemsAsync([.. Enumerable.Range(0, Items).Select(ItemId)], cancellationToken);
        var lease = await journal.AcquireAsync(Source, cancellationToken);
        var offset = 0L;
        for (var first = 0; first < Users; first += UsersInSegment)
        {
            var states = Enumerable.Range(first, Math.Min(UsersInSegment, Users - first)).Select(Expected).ToArray();
            var segment = SegmentOf(offset, states);
            var position = await journal.AppendAsync(lease, segment, cancellationToken);
            foreach (var state in states)
            {
                state.Position = position;
            }

            await journal.SaveUsersAsync(lease, states, position, segment.NextOffset, cancellationToken);
            offset = segment.NextOffset;
            report(first + states.Length);
        }

        return lease with { NextOffset = offset };
    }

    /// <summary>The whole of some users' sequences as one segment.</summary>
    public static Segment SegmentOf(long offset, IReadOnlyList<BehaviorSequence> states)
    {
        var entries = new List<SegmentEntry>();
        foreach (var (index, state) in states.Index())
        {
            for (var n = 0; n < state.Entries.Length; n++)
            {
                var entry = state.Entries[n];
                entries.Add(new SegmentEntry(index, entry.Item, entry.Type, offset + entries.Count, Time + n, double.NaN, null));
            }
        }

        var next = offset + entries.Count;
        return new Segment(offset, next, offset, [.. states.Select(state => state.UserId)], entries);
    }

    // SplitMix64: every bit of the number changes about half of the result's.
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}

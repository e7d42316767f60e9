using System.Text;

namespace StreamRec.Domain;

/// <summary>One user's state in whatever memory holds it: a <see cref="BehaviorSequence"/> to be read, not kept.</summary>
public readonly ref struct UserState
{
    /// <summary>The id in UTF-8.</summary>
    public required ReadOnlySpan<byte> UserId { get; init; }

    /// <inheritdoc cref="BehaviorSequence.Count"/>
    public required long Count { get; init; }

    /// <inheritdoc cref="BehaviorSequence.LastTimestampMs"/>
    public required long LastTimestampMs { get; init; }

    /// <inheritdoc cref="BehaviorSequence.Position"/>
    public required long Position { get; init; }

    /// <inheritdoc cref="BehaviorSequence.Entries"/>
    public required ReadOnlySpan<SequenceEntry> Entries { get; init; }

    /// <inheritdoc cref="BehaviorSequence.RecentEvents"/>
    public required ReadOnlySpan<ulong> RecentEvents { get; init; }

    /// <summary>A copy that stands for itself.</summary>
    public BehaviorSequence ToSequence() => new(
        Encoding.UTF8.GetString(UserId), Count, LastTimestampMs, Position, Entries.ToArray(), RecentEvents.IsEmpty ? null : RecentEvents.ToArray());
}

/// <summary>States to be saved, read where they are.</summary>
public interface IUserStates
{
    /// <summary>How many.</summary>
    int Count { get; }

    /// <summary>One of them; valid until the next is asked for.</summary>
    UserState this[int index] { get; }
}

/// <summary>Saving states that are objects already.</summary>
public static class SavedSequences
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <inheritdoc cref="IJournal.SaveUsersAsync"/>
    /// <exception cref="ArgumentException">An id has half of a surrogate pair.</exception>
    public static async ValueTask SaveUsersAsync(
        this IJournal journal,
        PartitionLease lease,
        IReadOnlyList<BehaviorSequence> sequences,
        long foldedPosition,
        long completedOffset,
        CancellationToken cancellationToken) =>
        await journal.SaveUsersAsync(lease, new States(sequences), foldedPosition, completedOffset, cancellationToken);

    private sealed class States(IReadOnlyList<BehaviorSequence> sequences) : IUserStates
    {
        public int Count => sequences.Count;

        public UserState this[int index] => new()
        {
            UserId = Strict.GetBytes(sequences[index].UserId),
            Count = sequences[index].Count,
            LastTimestampMs = sequences[index].LastTimestampMs,
            Position = sequences[index].Position,
            Entries = sequences[index].Entries,
            RecentEvents = sequences[index].RecentEvents,
        };
    }
}

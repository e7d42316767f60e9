using System.Buffers;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>One turn of a shard after it was decided: what is being committed and what follows once it is durable.</summary>
/// <remarks>Threading: filled by the shard, then handed to the finisher; never touched by both.</remarks>
internal sealed class Turn
{
    /// <summary>Where <see cref="Users"/> come from. Few are kept: when many turns wait for their commits, the rest is the collector's.</summary>
    public static readonly ArrayPool<TouchedUser> UserArrays = ArrayPool<TouchedUser>.Create(maxArrayLength: 1 << 20, maxArraysPerBucket: 8);

    /// <summary>The users touched, in the order in which they appeared. Rented from <see cref="UserArrays"/>; goes back, cleared, when the turn is finished.</summary>
    public required TouchedUser[] Users { get; init; }

    /// <summary>How many of <see cref="Users"/> are in use.</summary>
    public required int UserCount { get; init; }

    /// <summary>The applied interactions in offset order.</summary>
    public required IReadOnlyList<SegmentEntry> Entries { get; init; }

    /// <summary>For each of the segment's users its index in <see cref="Users"/>.</summary>
    public required IReadOnlyList<int> SegmentUsers { get; init; }

    /// <summary>What is still open of the turn: its commit and its lists.</summary>
    public required OffsetTracker.Ticket Ticket { get; init; }

    /// <summary>The append; completed at once where the turn moves no position.</summary>
    public required Task<long> Commit { get; init; }
}

/// <summary>One user in one turn.</summary>
/// <remarks>
/// <see cref="History"/> holds the sequence before the turn and after it the applied interactions, nothing dropped in between, so that
/// one copy serves both the observer (what was before each) and the list (the newest <c>MaxSequence</c> at the end).
/// </remarks>
internal struct TouchedUser
{
    public string UserId;
    public int Slot;

    /// <summary>Records of the user in the turn: the most that can be applied.</summary>
    public int Records;

    /// <summary>Index among the segment's users, -1 while nothing was applied.</summary>
    public int SegmentUser;

    public SequenceEntry[]? History;
    public int HistoryLength;

    /// <summary>How much of <see cref="History"/> the observer has seen; the finisher's.</summary>
    public int Observed;

    public bool AsksList;

    /// <summary>Interactions ever applied, at the end of the turn.</summary>
    public long Sequence;

    // The interaction that asked last.
    public long CauseOffset;
    public string? CauseEventId;
    public string? CauseTraceParent;
    public long CauseIngestedAt;
}

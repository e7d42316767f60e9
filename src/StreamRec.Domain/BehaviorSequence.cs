namespace StreamRec.Domain;

/// <summary>One element of a behaviour sequence: an item number and what was done with it, in four bytes.</summary>
/// <param name="Packed">Item number shifted left by three, type in the low three bits.</param>
public readonly record struct SequenceEntry(uint Packed)
{
    /// <summary>Item numbers must be below this (2^29, 537 million).</summary>
    public const int MaxItems = 1 << 29;

    public SequenceEntry(int item, InteractionType type) : this(((uint)item << 3) | (uint)type)
    {
    }

    /// <summary>The catalogue's item number.</summary>
    public int Item => (int)(Packed >> 3);

    /// <summary>What was done.</summary>
    public InteractionType Type => (InteractionType)(Packed & 7);
}

/// <summary>One user's behaviour, newest last, bounded: what a user actor keeps in memory and the journal packs into a user row.</summary>
/// <remarks>
/// Applying the same interactions in the same order gives an equal sequence (memory = fold of the journal). Only the newest
/// <c>capacity</c> entries and the newest <see cref="MaxRecentEvents"/> event ids are kept; <see cref="Count"/> counts all that were ever applied.
/// Threading: owned by one shard; not thread-safe.
/// </remarks>
public sealed class BehaviorSequence
{
    /// <summary>How many event ids back a repeated one is recognised.</summary>
    public const int MaxRecentEvents = 256;

    private SequenceEntry[] _entries;
    private int _length;
    private ulong[]? _recentEvents;
    private int _recentLength;

    /// <summary>An empty sequence.</summary>
    public BehaviorSequence(string userId)
    {
        UserId = userId;
        _entries = [];
    }

    /// <summary>A sequence as it was saved.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="count">Interactions applied in all.</param>
    /// <param name="lastTimestampMs">Timestamp of the last one, ms since 1970.</param>
    /// <param name="position">Journal position of the last segment applied.</param>
    /// <param name="entries">The retained entries, oldest first.</param>
    /// <param name="recentEvents">Fingerprints of the newest explicit event ids, oldest first.</param>
    public BehaviorSequence(
        string userId, long count, long lastTimestampMs, long position, SequenceEntry[] entries, ulong[]? recentEvents)
    {
        UserId = userId;
        Count = count;
        LastTimestampMs = lastTimestampMs;
        Position = position;
        _entries = entries;
        _length = entries.Length;
        _recentEvents = recentEvents;
        _recentLength = recentEvents?.Length ?? 0;
    }

    public string UserId { get; }

    /// <summary>How many interactions were ever applied: the <c>sequence</c> of this user's next list.</summary>
    public long Count { get; private set; }

    /// <summary>Timestamp of the newest interaction, ms since 1970; 0 when there is none.</summary>
    public long LastTimestampMs { get; private set; }

    /// <summary>Journal position of the last segment whose interactions are in here; 0 when there is none.</summary>
    public long Position { get; set; }

    /// <summary>The retained entries, oldest first.</summary>
    public ReadOnlySpan<SequenceEntry> Entries => _entries.AsSpan(0, _length);

    /// <summary>Fingerprints of the newest explicit event ids, oldest first.</summary>
    public ReadOnlySpan<ulong> RecentEvents => _recentEvents.AsSpan(0, _recentLength);

    /// <summary>Whether an interaction with this explicit event id was applied lately.</summary>
    public bool HasSeen(string eventId) => RecentEvents.Contains(Fingerprint(eventId));

    /// <summary>Appends one interaction; past the capacity the oldest entry is dropped.</summary>
    /// <param name="item">The catalogue's item number.</param>
    /// <param name="type">What was done.</param>
    /// <param name="timestampMs">When, ms since 1970.</param>
    /// <param name="eventId">The explicit event id, or null.</param>
    /// <param name="capacity">How many entries to keep, at least 1.</param>
    public void Apply(int item, InteractionType type, long timestampMs, string? eventId, int capacity)
    {
        Push(ref _entries, ref _length, new SequenceEntry(item, type), capacity);
        if (eventId is not null)
        {
            _recentEvents ??= [];
            Push(ref _recentEvents, ref _recentLength, Fingerprint(eventId), MaxRecentEvents);
        }

        Count++;
        LastTimestampMs = timestampMs;
    }

    /// <summary>64-bit FNV-1a of the id's UTF-16 code units: stored in user rows, so it never changes.</summary>
    public static ulong Fingerprint(string eventId)
    {
        var hash = 14695981039346656037UL;
        foreach (var c in eventId)
        {
            hash = (hash ^ (byte)c) * 1099511628211UL;
            hash = (hash ^ (byte)(c >> 8)) * 1099511628211UL;
        }

        return hash;
    }

    // Exact growth up to 8, then by half: most users stay short, and a resident user should cost little more than its entries.
    private static void Push<T>(ref T[] buffer, ref int length, T value, int capacity)
    {
        if (length >= capacity)
        {
            var keep = capacity - 1;
            buffer.AsSpan(length - keep, keep).CopyTo(buffer);
            length = keep;
        }

        if (length == buffer.Length)
        {
            Array.Resize(ref buffer, Math.Min(capacity, length < 8 ? length + 4 : length + length / 2));
        }

        buffer[length++] = value;
    }
}

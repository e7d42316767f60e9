using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>One turn of a shard: what it looks up, what it decides, what is being committed and what follows once that is durable.</summary>
/// <remarks>
/// Its arrays are used again by later turns of any shard (<see cref="TurnPool"/>). Threading: filled by the shard, then handed to the finisher;
/// never touched by both.
/// </remarks>
internal sealed class Turn
{
    /// <summary>Instead of a slot or an item number: not known yet.</summary>
    public const int Unknown = -1;

    /// <summary>Instead of a slot: there is nothing to do for the record.</summary>
    public const int Finished = -2;

    // Of each record.
    private int[] _slots = [];
    private int[] _items = [];
    private int[] _hashes = [];

    private TouchedUser[] _users = [];
    private SequenceEntry[] _histories = [];
    private int _historyLength;

    /// <summary>Records of the turn.</summary>
    public int Records { get; private set; }

    /// <summary>Of each record: its user's slot, or the index among <see cref="Users"/> once the users are numbered.</summary>
    public Span<int> Slots => _slots.AsSpan(0, Records);

    /// <summary>Of each record: its item's number.</summary>
    public Span<int> Items => _items.AsSpan(0, Records);

    /// <summary>Of each record: room for a hash.</summary>
    public Span<int> Hashes => _hashes.AsSpan(0, Records);

    /// <summary>Numbers the turn's users.</summary>
    public SlotMap Numbers { get; } = new();

    /// <summary>The users touched, in the order in which they appeared.</summary>
    public Span<TouchedUser> Users => _users.AsSpan(0, UserCount);

    public int UserCount { get; private set; }

    /// <summary>The applied interactions in offset order.</summary>
    public List<SegmentEntry> Entries { get; } = [];

    /// <summary>The users of the applied interactions.</summary>
    public IdList SegmentUserIds { get; } = new();

    /// <summary>For each of the segment's users its index in <see cref="Users"/>.</summary>
    public List<int> SegmentUsers { get; } = [];

    public long FirstOffset { get; set; }

    public int Duplicates { get; set; }

    public int Redelivered { get; set; }

    public int Lists { get; set; }

    /// <summary>What is still open of the turn: its commit and its lists.</summary>
    public OffsetTracker.Ticket Ticket { get; set; } = null!;

    /// <summary>The append; completed at once where the turn moves no position.</summary>
    public Task<long> Commit { get; set; } = null!;

    /// <summary>Makes room for so many records, whose users are at most as many.</summary>
    public void Begin(int records)
    {
        Records = records;
        if (_slots.Length < records)
        {
            (_slots, _items, _hashes) = (new int[records], new int[records], new int[records]);
            _users = new TouchedUser[records];
            Entries.EnsureCapacity(records);
        }

        Numbers.Clear(records);
    }

    /// <summary>Adds a user and returns its index plus one.</summary>
    public int Add(int slot)
    {
        _users[UserCount] = new TouchedUser { Slot = slot, SegmentUser = Unknown, HistoryStart = Unknown };
        return ++UserCount;
    }

    /// <summary>Sets a user's sequence before the turn, and makes room behind it for what may be applied.</summary>
    public void Remember(ref TouchedUser user, ReadOnlySpan<SequenceEntry> before)
    {
        var length = before.Length + user.Records;
        if (_historyLength + length > _histories.Length)
        {
            Array.Resize(ref _histories, Math.Max(_historyLength + length, Math.Max(1024, 2 * _histories.Length)));
        }

        before.CopyTo(_histories.AsSpan(_historyLength));
        user.HistoryStart = _historyLength;
        user.HistoryLength = user.Observed = before.Length;
        _historyLength += length;
    }

    /// <summary>Adds an applied interaction to its user's history and to the segment.</summary>
    public void Append(int userIndex, ReadOnlySpan<byte> userId, int item, in IngestedInteraction record)
    {
        ref var user = ref _users[userIndex];
        _histories[user.HistoryStart + user.HistoryLength++] = new SequenceEntry(item, record.Type);
        if (user.SegmentUser < 0)
        {
            user.SegmentUser = SegmentUserIds.Count;
            SegmentUserIds.Add(userId);
            SegmentUsers.Add(userIndex);
        }

        Entries.Add(new SegmentEntry(user.SegmentUser, item, record.Type, record.Offset, record.TimestampMs, record.Value, record.EventId));
    }

    /// <summary>A user's sequence before the turn and after it the applied interactions, nothing dropped in between.</summary>
    public ReadOnlySpan<SequenceEntry> HistoryOf(in TouchedUser user) => _histories.AsSpan(user.HistoryStart, user.HistoryLength);

    /// <summary>Forgets everything but the arrays.</summary>
    public void Clear()
    {
        Users.Clear();
        Entries.Clear();
        SegmentUserIds.Clear();
        SegmentUsers.Clear();
        (Records, UserCount, _historyLength) = (0, 0, 0);
        (Duplicates, Redelivered, Lists) = (0, 0, 0);
        (Ticket, Commit) = (null!, null!);
    }
}

/// <summary>One user in one turn.</summary>
internal struct TouchedUser
{
    public int Slot;

    /// <summary>Records of the user in the turn: the most that can be applied.</summary>
    public int Records;

    /// <summary>Index among the segment's users, <see cref="Turn.Unknown"/> while nothing was applied.</summary>
    public int SegmentUser;

    /// <summary>Where its history stands, <see cref="Turn.Unknown"/> before its first record is decided.</summary>
    public int HistoryStart;

    public int HistoryLength;

    /// <summary>How much of the history the observer has seen; the finisher's.</summary>
    public int Observed;

    /// <summary>Interactions ever applied, at the end of the turn.</summary>
    public long Sequence;

    /// <summary>Whose list is asked for; null while none is.</summary>
    public string? ListFor;

    // The interaction that asked last.
    public long CauseOffset;
    public string? CauseEventId;
    public string? CauseTraceParent;
    public long CauseIngestedAt;
}

/// <summary>Turns that are not in use, for the arrays that they have.</summary>
/// <remarks>
/// Few: when many turns wait for their commits, the rest is the collector's. Those kept are the collector's, too, when it looks at everything: a node
/// that has become quiet does not hold on to them. Threading: from any thread.
/// </remarks>
internal sealed class TurnPool
{
    private const int MostKept = 8;

    private readonly Stack<WeakReference<Turn>> _turns = new(MostKept);

    public Turn Rent()
    {
        lock (_turns)
        {
            while (_turns.TryPop(out var kept))
            {
                if (kept.TryGetTarget(out var turn))
                {
                    return turn;
                }
            }
        }

        return new Turn();
    }

    public void Return(Turn turn)
    {
        turn.Clear();
        lock (_turns)
        {
            if (_turns.Count < MostKept)
            {
                _turns.Push(new WeakReference<Turn>(turn));
            }
        }
    }
}

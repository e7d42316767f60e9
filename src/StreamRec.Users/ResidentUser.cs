using System.Runtime.InteropServices;
using System.Text;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>One user in memory: a <see cref="BehaviorSequence"/> packed into a row and one or two blocks.</summary>
/// <remarks>Valid until the user is removed. Threading: owned by one shard, as the table is.</remarks>
internal readonly ref struct ResidentUser
{
    private readonly BlockPool _blocks;
    private readonly ref UserRow _row;

    internal ResidentUser(BlockPool blocks, ref UserRow row)
    {
        _blocks = blocks;
        _row = ref row;
    }

    /// <summary>The id, in UTF-8.</summary>
    public ReadOnlySpan<byte> UserId => MemoryMarshal.AsBytes(_blocks.Words(_row.Block))[.._row.IdBytes];

    /// <inheritdoc cref="BehaviorSequence.Count"/>
    public long Count => _row.Count;

    /// <inheritdoc cref="BehaviorSequence.Position"/>
    public ref long Position => ref _row.Position;

    /// <inheritdoc cref="BehaviorSequence.Entries"/>
    public ReadOnlySpan<SequenceEntry> Entries =>
        MemoryMarshal.Cast<uint, SequenceEntry>(_blocks.Words(_row.Block).Slice(_row.IdWords, _row.Length));

    /// <inheritdoc cref="BehaviorSequence.HasSeen"/>
    public bool HasSeen(string eventId) => RecentEvents.Contains(BehaviorSequence.Fingerprint(eventId));

    /// <inheritdoc cref="BehaviorSequence.Apply"/>
    public void Apply(int item, InteractionType type, long timestampMs, string? eventId, int capacity)
    {
        var entry = new SequenceEntry(item, type).Packed;
        Push(ref _row.Block, _row.IdWords, ref _row.Length, [entry], capacity);
        if (eventId is not null)
        {
            var fingerprint = BehaviorSequence.Fingerprint(eventId);
            int count = _row.EventCount;
            Push(ref _row.Events, 0, ref count, [(uint)fingerprint, (uint)(fingerprint >> 32)], BehaviorSequence.MaxRecentEvents);
            _row.EventCount = (ushort)count;
        }

        _row.Count++;
        _row.LastTimestampMs = timestampMs;
    }

    /// <summary>Everything, to be read before the user is touched again.</summary>
    public UserState State => new()
    {
        UserId = UserId,
        Count = _row.Count,
        LastTimestampMs = _row.LastTimestampMs,
        Position = _row.Position,
        Entries = Entries,
        RecentEvents = RecentEvents,
    };

    /// <summary>Puts a state into a row; <see cref="Clear"/> gives back what it takes.</summary>
    /// <exception cref="ArgumentException">The id is none.</exception>
    internal static void Fill(BlockPool blocks, ref UserRow row, BehaviorSequence state)
    {
        if (!Interaction.IsId(state.UserId))
        {
            throw new ArgumentException("The id has control characters, half a surrogate pair, or not 1 to 256 UTF-8 bytes.", nameof(state));
        }

        row.IdBytes = Encoding.UTF8.GetByteCount(state.UserId);
        row.Length = state.Entries.Length;
        row.Block = blocks.Allocate(row.IdWords + row.Length);
        var words = blocks.Words(row.Block);
        Encoding.UTF8.GetBytes(state.UserId, MemoryMarshal.AsBytes(words));
        MemoryMarshal.Cast<SequenceEntry, uint>(state.Entries).CopyTo(words[row.IdWords..]);
        row.Events = BlockPool.None;
        row.EventCount = (ushort)state.RecentEvents.Length;
        if (row.EventCount > 0)
        {
            row.Events = blocks.Allocate(2 * row.EventCount);
            MemoryMarshal.Cast<ulong, uint>(state.RecentEvents).CopyTo(blocks.Words(row.Events));
        }

        row.Count = state.Count;
        row.LastTimestampMs = state.LastTimestampMs;
        row.Position = state.Position;
    }

    internal void Clear()
    {
        _blocks.Free(_row.Block);
        if (_row.Events != BlockPool.None)
        {
            _blocks.Free(_row.Events);
        }

        _row = default;
    }

    private ReadOnlySpan<ulong> RecentEvents => _row.Events == BlockPool.None
        ? []
        : MemoryMarshal.Cast<uint, ulong>(_blocks.Words(_row.Events))[.._row.EventCount];

    /// <summary>Appends behind the elements that follow a prefix; past the capacity the oldest elements go.</summary>
    private void Push(ref int block, int prefix, ref int length, ReadOnlySpan<uint> element, int capacity)
    {
        var words = element.Length;
        if (length >= capacity)
        {
            var elements = _blocks.Words(block).Slice(prefix, length * words);
            elements[^((capacity - 1) * words)..].CopyTo(elements);
            length = capacity - 1;
        }

        var end = prefix + length * words;
        block = block == BlockPool.None ? _blocks.Allocate(end + words) : _blocks.Grow(block, end + words);
        element.CopyTo(_blocks.Words(block)[end..]);
        length++;
    }
}

/// <summary>What <see cref="ResidentUsers"/> keeps of a user, 48 bytes.</summary>
internal struct UserRow
{
    public int Hash;

    /// <summary>Slot plus one of the next user with the same bucket, or of the next free row; 0 at the end.</summary>
    public int Next;

    /// <summary>The id's bytes, filled up to whole words, and the entries behind them.</summary>
    public int Block;

    /// <summary>Fingerprints of event ids, two words each.</summary>
    public int Events;

    public int Length;
    public ushort EventCount;
    private byte _idBytesLessOne;
    private byte _flags;
    public long Count;
    public long LastTimestampMs;
    public long Position;

    private const byte ResidencyMask = 3;
    private const byte Referenced = 4;
    private const byte InUse = 8;

    /// <summary>1 to 256; 0 in a free row.</summary>
    public int IdBytes
    {
        readonly get => IsFree ? 0 : _idBytesLessOne + 1;
        set => (_idBytesLessOne, _flags) = ((byte)(value - 1), (byte)(_flags | InUse));
    }

    public readonly int IdWords => (IdBytes + 3) / 4;

    public readonly bool IsFree => (_flags & InUse) == 0;

    public Residency Residency
    {
        readonly get => (Residency)(_flags & ResidencyMask);
        set => _flags = (byte)((_flags & ~ResidencyMask) | (byte)value);
    }

    /// <summary>Found since the hand came by.</summary>
    public bool IsReferenced
    {
        readonly get => (_flags & Referenced) != 0;
        set => _flags = value ? (byte)(_flags | Referenced) : (byte)(_flags & ~Referenced);
    }
}

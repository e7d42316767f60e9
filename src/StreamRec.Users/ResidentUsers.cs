using System.Buffers;
using System.Numerics;
using System.Text.Unicode;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>How a resident user stands to the saved states.</summary>
internal enum Residency : byte
{
    /// <summary>The journal's saved state says the same: may be dropped from memory.</summary>
    Clean,

    /// <summary>Changed since it was last handed to a save.</summary>
    Dirty,

    /// <summary>Handed to a save that is under way, unchanged since.</summary>
    Saving,
}

/// <summary>The users in memory: a hash table over rows and blocks, with second-chance replacement and no object for each user.</summary>
/// <remarks>
/// Besides its item indices a user costs a row (48 bytes), 4 to 8 bytes of the table, the id in UTF-8, and the unused rest of its block (up to an
/// eighth); objects, an array and a dictionary cost 289. A list node for true LRU order would cost 16 more and a write to three places for each
/// touch; the clock costs one bit. Slots stay the same while the user is resident and are used again afterwards.
/// Threading: owned by one shard; only <see cref="Count"/> may be read from elsewhere.
/// </remarks>
internal sealed class ResidentUsers
{
    private const int RowBits = 10;
    private const int RowsPerPage = 1 << RowBits;

    private readonly BlockPool _blocks = new();
    private UserRow[][] _rows = [];
    private int[] _buckets = new int[256];
    private ulong[] _dirty = new ulong[RowsPerPage / 64];
    private int _used;
    private int _free;
    private int _count;
    private int _hand;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Slots are below this.</summary>
    public int SlotCount => _used;

    public ResidentUser this[int slot] => new(_blocks, ref Row(slot));

    /// <summary>Finds a user and gives it its second chance.</summary>
    public bool TryFind(ReadOnlySpan<byte> userId, out int slot)
    {
        var hash = IdHash.Of(userId);
        slot = Find(userId, hash, Bucket(hash) - 1);
        return slot >= 0;
    }

    /// <summary>Finds a user and gives it its second chance.</summary>
    public bool TryFind(string userId, out int slot)
    {
        Span<byte> utf8 = stackalloc byte[Interaction.MaxIdBytes];
        slot = -1;
        return Utf8.FromUtf16(userId, utf8, out _, out var length, replaceInvalidSequences: false) == OperationStatus.Done
            && TryFind(utf8[..length], out slot);
    }

    /// <summary>
    /// Finds the users of many records. One user after the other, each step of each would wait for memory; step by step for all of them, with the
    /// memory of the next step asked for in the one before, the waits overlap.
    /// </summary>
    /// <param name="records">The records.</param>
    /// <param name="hashes">Room for working, as long as the records.</param>
    /// <param name="slots">Gets the users' slots, -1 for those that are not here.</param>
    public void Find(IngestedInteractions records, Span<int> hashes, Span<int> slots)
    {
        for (var i = 0; i < records.Count; i++)
        {
            hashes[i] = IdHash.Of(records.UserId(i));
            Prefetch.Line(ref Bucket(hashes[i]));
        }

        for (var i = 0; i < records.Count; i++)
        {
            slots[i] = Bucket(hashes[i]) - 1;
            if (slots[i] >= 0)
            {
                Prefetch.Line(ref Row(slots[i]));
            }
        }

        for (var i = 0; i < records.Count; i++)
        {
            ref var slot = ref slots[i];
            while (slot >= 0 && Row(slot).Hash != hashes[i])
            {
                slot = Row(slot).Next - 1;
            }

            if (slot >= 0)
            {
                _blocks.Prefetch(Row(slot).Block);
            }
        }

        for (var i = 0; i < records.Count; i++)
        {
            slots[i] = Find(records.UserId(i), hashes[i], slots[i]);
        }
    }

    /// <summary>Makes a user that is not resident so, clean and referenced.</summary>
    /// <exception cref="ArgumentException">The state's id is none.</exception>
    public int Add(BehaviorSequence state)
    {
        var filled = new UserRow { IsReferenced = true };
        ResidentUser.Fill(_blocks, ref filled, state);
        filled.Hash = IdHash.Of(new ResidentUser(_blocks, ref filled).UserId);
        if (_count == _buckets.Length)
        {
            Widen();
        }

        var slot = _free - 1;
        if (slot >= 0)
        {
            _free = Row(slot).Next;
        }
        else
        {
            slot = NewRow();
        }

        Row(slot) = filled;
        Chain(slot);
        _count++;
        return slot;
    }

    public void Remove(int slot)
    {
        SetResidency(slot, Residency.Clean);
        ref var link = ref Bucket(Row(slot).Hash);
        while (link != slot + 1)
        {
            link = ref Row(link - 1).Next;
        }

        link = Row(slot).Next;
        this[slot].Clear();
        Row(slot).Next = _free;
        _free = slot + 1;
        _count--;
    }

    public Residency ResidencyOf(int slot) => Row(slot).Residency;

    public void SetResidency(int slot, Residency residency)
    {
        Row(slot).Residency = residency;
        var bit = 1UL << slot;
        ref var bits = ref _dirty[slot >> 6];
        bits = residency == Residency.Dirty ? bits | bit : bits & ~bit;
    }

    /// <summary>The first dirty user at or behind a slot; <see cref="SlotCount"/> when there is none.</summary>
    public int NextDirty(int slot)
    {
        if (slot >= _used)
        {
            return _used;
        }

        var word = slot >> 6;
        var bits = _dirty[word] & (ulong.MaxValue << slot);
        while (bits == 0)
        {
            if (++word << 6 >= _used)
            {
                return _used;
            }

            bits = _dirty[word];
        }

        return (word << 6) + BitOperations.TrailingZeroCount(bits);
    }

    /// <summary>Drops clean users, those not used lately first, until the target is reached or only unsaved ones are left.</summary>
    public void Evict(int target)
    {
        // Two rounds: the first may find every user referenced and only takes the second chances away.
        for (var steps = 2L * _used; steps > 0 && _count > target; steps--)
        {
            _hand = _hand + 1 < _used ? _hand + 1 : 0;
            ref var row = ref Row(_hand);
            if (row.IsFree || row.Residency != Residency.Clean)
            {
                continue;
            }

            if (row.IsReferenced)
            {
                row.IsReferenced = false;
            }
            else
            {
                Remove(_hand);
            }
        }
    }

    private int Find(ReadOnlySpan<byte> userId, int hash, int slot)
    {
        for (; slot >= 0; slot = Row(slot).Next - 1)
        {
            ref var row = ref Row(slot);
            if (row.Hash == hash && this[slot].UserId.SequenceEqual(userId))
            {
                row.IsReferenced = true;
                return slot;
            }
        }

        return -1;
    }

    private ref UserRow Row(int slot) => ref _rows[slot >> RowBits][slot & (RowsPerPage - 1)];

    private ref int Bucket(int hash) => ref _buckets[hash & (_buckets.Length - 1)];

    private void Chain(int slot)
    {
        ref var row = ref Row(slot);
        ref var bucket = ref Bucket(row.Hash);
        row.Next = bucket;
        bucket = slot + 1;
    }

    private int NewRow()
    {
        if (_used >> RowBits == _rows.Length)
        {
            Array.Resize(ref _rows, _rows.Length + 1);
            _rows[^1] = new UserRow[RowsPerPage];
            if (_rows.Length * RowsPerPage > _dirty.Length * 64)
            {
                Array.Resize(ref _dirty, 2 * _dirty.Length);
            }
        }

        return _used++;
    }

    private void Widen()
    {
        _buckets = new int[2 * _buckets.Length];
        for (var slot = 0; slot < _used; slot++)
        {
            if (!Row(slot).IsFree)
            {
                Chain(slot);
            }
        }
    }
}

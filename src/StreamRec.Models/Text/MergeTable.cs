using System.Numerics;

namespace StreamRec.Models.Text;

/// <summary>What two neighbouring tokens become, and how early: a flat hash table from a pair of ids to rank and new id.</summary>
/// <remarks>Open addressing at half load at the most: one or two cache lines for a pair, of which most are not in the table. Read by any thread.</remarks>
internal sealed class MergeTable
{
    /// <summary>The rank of a pair that does not merge: later than every other.</summary>
    public const int NoMerge = int.MaxValue;

    private readonly Slot[] _slots;
    private readonly int _shift;

    /// <param name="capacity">Pairs at the most.</param>
    public MergeTable(int capacity)
    {
        var bits = BitOperations.Log2((uint)Math.Max(capacity, 1)) + 2;
        _slots = new Slot[1 << bits];
        _shift = 64 - bits;
        Array.Fill(_slots, new Slot { Rank = NoMerge });
    }

    /// <summary>Adds a pair; false when it is there already.</summary>
    public bool TryAdd(int left, int right, int rank, int merged)
    {
        ref var slot = ref Find(Key(left, right));
        if (slot.Rank != NoMerge)
        {
            return false;
        }

        slot = new Slot { Key = Key(left, right), Rank = rank, Merged = merged };
        return true;
    }

    /// <summary>The rank of a pair, <see cref="NoMerge"/> when it does not merge.</summary>
    /// <param name="left">Id of the left token.</param>
    /// <param name="right">Id of the right token.</param>
    /// <param name="merged">Id of the token that they become.</param>
    public int RankOf(int left, int right, out int merged)
    {
        ref var slot = ref Find(Key(left, right));
        merged = slot.Merged;
        return slot.Rank;
    }

    private ref Slot Find(ulong key)
    {
        var mask = _slots.Length - 1;
        var index = (int)((key * 0x9E3779B97F4A7C15) >> _shift);
        while (_slots[index].Rank != NoMerge && _slots[index].Key != key)
        {
            index = (index + 1) & mask;
        }

        return ref _slots[index];
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private struct Slot
    {
        public ulong Key;
        public int Rank;
        public int Merged;
    }
}

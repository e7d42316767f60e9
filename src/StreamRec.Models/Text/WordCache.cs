using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace StreamRec.Models.Text;

/// <summary>The token ids of words seen lately.</summary>
/// <remarks>
/// An entry is 64 bytes, the size of a cache line. A word has two neighbouring slots; a new word takes the first and moves what was there to the second, so the
/// memory is fixed and a flood of new words only costs merges. Long words and those of many tokens are not kept. Threading: one thread.
/// </remarks>
internal sealed class WordCache
{
    /// <summary>Longest word that is kept, in UTF-16 units.</summary>
    public const int MaxLength = 15;

    /// <summary>Most tokens of a word that is kept.</summary>
    public const int MaxTokens = 7;

    private readonly Entry[] _entries;

    /// <param name="slots">A power of two, 64 bytes each.</param>
    public WordCache(int slots = 1 << 14)
    {
        if (!int.IsPow2(slots) || slots < 2)
        {
            throw new ArgumentOutOfRangeException(nameof(slots), $"slots is {slots}; it must be a power of two, and at least 2.");
        }

        _entries = new Entry[slots];
    }

    /// <summary>The ids of a word; empty when it is not here. Valid until the next <see cref="Add"/>.</summary>
    /// <param name="word">1 to <see cref="MaxLength"/> UTF-16 units.</param>
    public ReadOnlySpan<int> Find(ReadOnlySpan<char> word)
    {
        var key = KeyOf(word);
        var index = IndexOf(key);
        ref var entry = ref _entries[index];
        if (entry.Key != key)
        {
            entry = ref _entries[index ^ 1];
            if (entry.Key != key)
            {
                return [];
            }
        }

        return ((ReadOnlySpan<int>)entry.Ids)[..entry.Count];
    }

    /// <summary>Keeps the ids of a word.</summary>
    /// <param name="word">1 to <see cref="MaxLength"/> UTF-16 units.</param>
    /// <param name="ids">1 to <see cref="MaxTokens"/> ids.</param>
    public void Add(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        var key = KeyOf(word);
        var index = IndexOf(key);
        _entries[index ^ 1] = _entries[index];
        ref var entry = ref _entries[index];
        entry.Key = key;
        entry.Count = ids.Length;
        ids.CopyTo(entry.Ids);
    }

    /// <summary>The word in 15 lanes and its length in the last: no two words share a key, and none has that of an empty slot.</summary>
    private static Vector256<ushort> KeyOf(ReadOnlySpan<char> word)
    {
        Span<ushort> key = stackalloc ushort[Vector256<ushort>.Count];
        key.Clear();
        MemoryMarshal.Cast<char, ushort>(word).CopyTo(key);
        key[MaxLength] = (ushort)word.Length;
        return Vector256.Create<ushort>(key);
    }

    private int IndexOf(Vector256<ushort> key)
    {
        const ulong Multiplier = 0x9E3779B97F4A7C15;
        var parts = key.AsUInt64();
        var hash = (parts[0] * Multiplier) ^ ulong.RotateLeft(parts[1], 29);
        hash = (hash * Multiplier) ^ ulong.RotateLeft(parts[2], 31);
        hash = (hash * Multiplier) ^ parts[3];
        return (int)((hash * Multiplier) >> 40) & (_entries.Length - 1);
    }

    private struct Entry
    {
        public Vector256<ushort> Key;
        public int Count;
        public TokenIds Ids;
    }

    [InlineArray(MaxTokens)]
    private struct TokenIds
    {
        private int _first;
    }
}

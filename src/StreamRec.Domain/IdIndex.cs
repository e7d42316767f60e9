using System.Buffers.Binary;

namespace StreamRec.Domain;

/// <summary>Finds the number of an id by its UTF-8 bytes. Numbers are given in the order of adding, from 0.</summary>
/// <remarks>
/// A table of numbers at most half full, and beside it 32 bytes for each id, which hold it whole up to 24 bytes: a look-up waits for memory twice
/// and looks at no object. Threading: <see cref="Add"/> one call at a time; look-ups from any thread without a lock, and what was added before
/// the look-up began is found.
/// </remarks>
internal sealed class IdIndex
{
    private Table _table = new(1024);
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Adds an id that is not in the index.</summary>
    /// <param name="utf8">1 to 256 bytes.</param>
    /// <returns>Its number.</returns>
    public int Add(ReadOnlySpan<byte> utf8)
    {
        var number = _count;
        if (2 * (number + 1) > _table.Buckets.Length)
        {
            Volatile.Write(ref _table, _table.Doubled(number));
        }

        _table.Put(number, new Entry(IdHash.Of(utf8), utf8), utf8);
        Volatile.Write(ref _count, number + 1);
        return number;
    }

    /// <summary>The number of an id, or -1.</summary>
    public int Find(ReadOnlySpan<byte> utf8)
    {
        var table = Volatile.Read(ref _table);
        var hash = IdHash.Of(utf8);
        return table.Find(table.First(hash), new Entry(hash, utf8), utf8);
    }

    /// <summary>The numbers of many ids, or -1, looked up step by step for all of them: the waits for memory overlap.</summary>
    /// <param name="records">The records whose items are looked up.</param>
    /// <param name="hashes">Room for working, as long as the records.</param>
    /// <param name="numbers">Gets the numbers.</param>
    public void FindItems(IngestedInteractions records, Span<int> hashes, Span<int> numbers)
    {
        var table = Volatile.Read(ref _table);
        for (var i = 0; i < records.Count; i++)
        {
            hashes[i] = IdHash.Of(records.ItemId(i));
            Prefetch.Line(ref table.Bucket(hashes[i]));
        }

        for (var i = 0; i < records.Count; i++)
        {
            numbers[i] = table.First(hashes[i]);
            table.Prefetch(numbers[i]);
        }

        for (var i = 0; i < records.Count; i++)
        {
            var utf8 = records.ItemId(i);
            numbers[i] = table.Find(numbers[i], new Entry(hashes[i], utf8), utf8);
        }
    }

    private sealed class Table(int size)
    {
        /// <summary>Number plus one; 0 where nothing is.</summary>
        public readonly int[] Buckets = new int[size];

        private readonly Entry[] _entries = new Entry[size / 2];

        // Of ids that an entry does not hold whole.
        private readonly Dictionary<int, byte[]> _long = [];

        public ref int Bucket(int hash) => ref Buckets[hash & (Buckets.Length - 1)];

        /// <summary>The number that a search begins with, or -1.</summary>
        public int First(int hash) => Volatile.Read(ref Bucket(hash)) - 1;

        public void Prefetch(int number)
        {
            if (number >= 0)
            {
                Domain.Prefetch.Line(ref _entries[number]);
            }
        }

        public int Find(int number, in Entry wanted, ReadOnlySpan<byte> utf8)
        {
            for (var bucket = wanted.Hash; number >= 0; number = First(++bucket))
            {
                if (_entries[number].Equals(in wanted) && (utf8.Length <= Entry.Inline || IsSame(number, utf8)))
                {
                    return number;
                }
            }

            return -1;
        }

        public void Put(int number, in Entry entry, ReadOnlySpan<byte> utf8)
        {
            _entries[number] = entry;
            if (utf8.Length > Entry.Inline)
            {
                lock (_long)
                {
                    _long.Add(number, utf8.ToArray());
                }
            }

            // Only now can it be found.
            Link(number, entry.Hash);
        }

        public Table Doubled(int count)
        {
            var doubled = new Table(2 * Buckets.Length);
            Array.Copy(_entries, doubled._entries, count);
            for (var number = 0; number < count; number++)
            {
                doubled.Link(number, _entries[number].Hash);
            }

            foreach (var (number, utf8) in _long)
            {
                doubled._long.Add(number, utf8);
            }

            return doubled;
        }

        private void Link(int number, int hash)
        {
            while (Bucket(hash) != 0)
            {
                hash++;
            }

            Volatile.Write(ref Bucket(hash), number + 1);
        }

        private bool IsSame(int number, ReadOnlySpan<byte> utf8)
        {
            lock (_long)
            {
                return utf8.SequenceEqual(_long[number]);
            }
        }
    }

    private readonly struct Entry
    {
        /// <summary>Bytes of an id that an entry holds.</summary>
        public const int Inline = 3 * sizeof(ulong);

        public readonly int Hash;
        private readonly int _bytes;
        private readonly ulong _first;
        private readonly ulong _second;
        private readonly ulong _third;

        public Entry(int hash, ReadOnlySpan<byte> utf8)
        {
            (Hash, _bytes) = (hash, utf8.Length);
            (_first, _second, _third) = (Word(utf8, 0), Word(utf8, sizeof(ulong)), Word(utf8, 2 * sizeof(ulong)));
        }

        public bool Equals(in Entry other) =>
            Hash == other.Hash && _bytes == other._bytes && _first == other._first && _second == other._second && _third == other._third;

        /// <summary>Eight bytes from a place on; zeros where there are none any more.</summary>
        private static ulong Word(ReadOnlySpan<byte> utf8, int at)
        {
            var left = utf8.Length - at;
            if (left >= sizeof(ulong))
            {
                return BinaryPrimitives.ReadUInt64LittleEndian(utf8[at..]);
            }

            if (left <= 0)
            {
                return 0;
            }

            if (at > 0)
            {
                // The eight bytes that end where the id ends, without those before the place.
                return BinaryPrimitives.ReadUInt64LittleEndian(utf8[^sizeof(ulong)..]) >> (8 * (sizeof(ulong) - left));
            }

            var word = 0UL;
            for (var i = left - 1; i >= 0; i--)
            {
                word = (word << 8) | utf8[i];
            }

            return word;
        }
    }
}

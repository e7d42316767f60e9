using System.Numerics;
using System.Runtime.Intrinsics;
using StreamRec.Domain;

namespace StreamRec.Models.Transitions;

/// <summary>
/// How often one item came after another, near pairs more than distant ones: C[b, a] = sum over d ≤ reach of g(d) × #(b, then a at distance d).
/// </summary>
/// <remarks>
/// Exact and online: an interaction adds to as many rows as it has predecessors within reach, and every one of a repeated pair counts.
/// A row is a hash table of 8 bytes a slot, at most three quarters full, beside about 130 bytes of its own; an item that nothing came after has none.
/// Bound: a row that would outgrow <see cref="MaxRow"/> items drops the half with the smallest counts, ties by the higher number; what was
/// dropped starts again from 0. Threading: every member from any thread; a row is locked while it is read or written, so writers meet only
/// when two users have the same item at the same moment. A user who is forgotten is in the counts until the next start, when they are made
/// again from the journal, which has the user no more.
/// </remarks>
public sealed class TransitionCounts : IInteractionObserver
{
    /// <summary>Items in one row at the most: 65,536 slots, three quarters full, 512 KiB.</summary>
    public const int MaxRow = 3 << 14;

    private readonly float[] _decay;
    private readonly Lock _growth = new();
    private Row?[] _rows;
    private int[] _occurrences;
    private float[] _logOccurrences;
    private int _items;

    /// <param name="settings">What is counted.</param>
    /// <param name="capacity">Item numbers to make room for; more are taken as they come.</param>
    public TransitionCounts(TransitionsSettings settings, int capacity)
    {
        Settings = settings.Checked();
        _decay = settings.DecayByDistance();
        _rows = new Row?[Math.Max(16, capacity)];
        _occurrences = new int[_rows.Length];
        _logOccurrences = new float[_rows.Length];
    }

    /// <summary>What the counts were made with.</summary>
    public TransitionsSettings Settings { get; }

    /// <summary>Distinct items that have occurred.</summary>
    public int Items => Volatile.Read(ref _items);

    /// <summary>log(1 + occurrences) by item number.</summary>
    internal ReadOnlySpan<float> LogOccurrences => Volatile.Read(ref _logOccurrences);

    /// <inheritdoc/>
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        if (entry.Type == InteractionType.Impression)
        {
            return;
        }

        CountItem(entry.Item);
        var distance = 0;
        for (var i = historyBefore.Length - 1; i >= 0 && distance < _decay.Length; i--)
        {
            if (historyBefore[i].Type != InteractionType.Impression)
            {
                RowOf(historyBefore[i].Item).Add(entry.Item, _decay[distance++]);
            }
        }
    }

    /// <summary>Counts one interaction.</summary>
    /// <param name="item">Item number.</param>
    /// <param name="before">What the user had before it, oldest first; only the newest within reach are read.</param>
    public void Count(int item, ReadOnlySpan<int> before)
    {
        CountItem(item);
        for (var distance = 0; distance < _decay.Length && distance < before.Length; distance++)
        {
            RowOf(before[^(distance + 1)]).Add(item, _decay[distance]);
        }
    }

    /// <summary>C[<paramref name="from"/>, <paramref name="to"/>].</summary>
    public float this[int from, int to] => Find(from)?.CountOf(to) ?? 0;

    /// <summary>How often an item has occurred.</summary>
    public int Occurrences(int item)
    {
        var occurrences = Volatile.Read(ref _occurrences);
        return item < occurrences.Length ? occurrences[item] : 0;
    }

    /// <summary>Adds weight × log(1 + C[item, a] × scale) to the score of each a.</summary>
    internal void AddTo(int item, float scale, float weight, Span<float> scores) => Find(item)?.AddTo(scale, weight, scores);

    /// <summary>A row's items with their counts, by number.</summary>
    internal (int Item, float Count)[] ReadRow(int item) => Find(item)?.Read() ?? [];

    /// <summary>Puts back what <see cref="ReadRow"/> and <see cref="Occurrences"/> gave.</summary>
    internal void Restore(int item, int occurrences, ReadOnlySpan<int> items, ReadOnlySpan<float> counts)
    {
        CountItem(item, occurrences);
        for (var i = 0; i < items.Length; i++)
        {
            RowOf(item).Add(items[i], counts[i]);
        }
    }

    private void CountItem(int item, int times = 1)
    {
        lock (_growth)
        {
            Grow(item);
            _items += _occurrences[item] == 0 && times > 0 ? 1 : 0;
            _occurrences[item] += times;
            _logOccurrences[item] = MathF.Log(1 + _occurrences[item]);
        }
    }

    private Row? Find(int item)
    {
        var rows = Volatile.Read(ref _rows);
        return item < rows.Length ? Volatile.Read(ref rows[item]) : null;
    }

    private Row RowOf(int item)
    {
        if (Find(item) is { } row)
        {
            return row;
        }

        lock (_growth)
        {
            Grow(item);
            return _rows[item] ??= new Row();
        }
    }

    // Readers go on with the former arrays; all writing to them is behind the lock.
    private void Grow(int item)
    {
        if (item < _rows.Length)
        {
            return;
        }

        var length = Math.Max(item + 1, _rows.Length * 2);
        Volatile.Write(ref _rows, Resized(_rows));
        Volatile.Write(ref _occurrences, Resized(_occurrences));
        Volatile.Write(ref _logOccurrences, Resized(_logOccurrences));

        T[] Resized<T>(T[] array)
        {
            Array.Resize(ref array, length);
            return array;
        }
    }

    /// <summary>One item's successors: open addressing, linear probing. Every member takes the row's lock.</summary>
    private sealed class Row
    {
        private readonly Lock _gate = new();

        // Item number + 1; 0 = free.
        private int[] _keys = new int[8];
        private float[] _counts = new float[8];
        private int _length;

        public void Add(int item, float count)
        {
            lock (_gate)
            {
                var place = PlaceOf(_keys, item);
                if (_keys[place] == 0)
                {
                    if ((_length + 1) * 4 > _keys.Length * 3)
                    {
                        Resize();
                        place = PlaceOf(_keys, item);
                    }

                    _keys[place] = item + 1;
                    _length++;
                }

                _counts[place] += count;
            }
        }

        public float CountOf(int item)
        {
            lock (_gate)
            {
                return _counts[PlaceOf(_keys, item)];
            }
        }

        public void AddTo(float scale, float weight, Span<float> scores)
        {
            Span<float> evidence = stackalloc float[Vector256<float>.Count];
            lock (_gate)
            {
                for (var i = 0; i < _keys.Length; i += evidence.Length)
                {
                    var counts = Vector256.LoadUnsafe(ref _counts[i]);
                    (Vector256.Log(Vector256<float>.One + (counts * scale)) * weight).CopyTo(evidence);
                    for (var lane = 0; lane < evidence.Length; lane++)
                    {
                        // A free slot's key makes -1, which is beyond the end as well.
                        var item = (uint)(_keys[i + lane] - 1);
                        if (item < (uint)scores.Length)
                        {
                            scores[(int)item] += evidence[lane];
                        }
                    }
                }
            }
        }

        public (int Item, float Count)[] Read()
        {
            lock (_gate)
            {
                return [.. Entries().OrderBy(entry => entry.Item)];
            }
        }

        private IEnumerable<(int Item, float Count)> Entries() =>
            _keys.Zip(_counts).Where(slot => slot.First != 0).Select(slot => (slot.First - 1, slot.Second));

        private void Resize()
        {
            var entries = Entries();
            if (_length >= MaxRow)
            {
                entries = entries.OrderByDescending(entry => entry.Count).ThenBy(entry => entry.Item).Take(MaxRow / 2);
                _length = MaxRow / 2;
            }

            var slots = BitOperations.RoundUpToPowerOf2((uint)(_length * 4 / 3) + 5);
            var (keys, counts) = (new int[slots], new float[slots]);
            foreach (var (item, count) in entries)
            {
                var place = PlaceOf(keys, item);
                (keys[place], counts[place]) = (item + 1, count);
            }

            (_keys, _counts) = (keys, counts);
        }

        private static int PlaceOf(int[] keys, int item)
        {
            // Fibonacci hashing: neighbouring numbers, which are bought together, land far apart.
            var place = (int)(((uint)item * 2654435769u) >> (32 - BitOperations.Log2((uint)keys.Length)));
            while (keys[place] != 0 && keys[place] != item + 1)
            {
                place = (place + 1) & (keys.Length - 1);
            }

            return place;
        }
    }
}

namespace StreamRec.Models.Decoding;

/// <summary>The token strings of a catalogue: which tokens may follow a beginning so that it still leads to an available item.</summary>
/// <remarks>
/// Nodes are numbered breadth first, so that the children of a node are a range of numbers, and the items below a node are a range of the
/// sorted strings: a handful of ints for each node and no object. Items can be withdrawn and restored at any time and an item's beginning
/// closes with its last item; a few items (those a user has seen) can be left out for one search without touching the trie.
/// Threading: any thread may read while one changes. A search that runs meanwhile may still follow a beginning that has just closed,
/// which then leads nowhere; it misses no item that is available throughout, and <see cref="AvailableAt"/> has the last word.
/// </remarks>
internal sealed class TokenTrie
{
    private readonly Lock _changing = new();
    private readonly int[] _items;
    private readonly int[] _positions;
    private readonly int[] _tokens;
    private readonly int[] _firstChild;
    private readonly int[] _low;
    private readonly int[] _high;
    private readonly int[] _live;
    private readonly bool[] _available;
    private uint _changes;

    /// <param name="strings">Tokens of item 0, 1, ...; not empty, without <paramref name="end"/>. Items may share a string.</param>
    /// <param name="end">The token that ends a string.</param>
    /// <exception cref="ArgumentException">A string is empty or has a negative token or <paramref name="end"/>; the message names the item.</exception>
    public TokenTrie(IReadOnlyList<int[]> strings, int end)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(end);
        End = end;
        var (tokens, starts) = Join(strings, end);
        _items = [.. Enumerable.Range(0, strings.Count)];
        Array.Sort(_items, (a, b) => StringOf(a).SequenceCompareTo(StringOf(b)) is var order && order != 0 ? order : a.CompareTo(b));
        _positions = new int[_items.Length];
        foreach (var (position, item) in _items.Index())
        {
            _positions[item] = position;
        }

        List<int> token = [-1], low = [0], high = [_items.Length], depth = [0], firstChild = [];
        for (var node = 0; node < token.Count; node++)
        {
            firstChild.Add(token.Count);
            for (var position = token[node] == end ? high[node] : low[node]; position < high[node];)
            {
                var (next, begin) = (TokenAt(position, depth[node]), position);
                while (position < high[node] && TokenAt(position, depth[node]) == next)
                {
                    position++;
                }

                token.Add(next);
                low.Add(begin);
                high.Add(position);
                depth.Add(depth[node] + 1);
            }
        }

        firstChild.Add(token.Count);
        (_tokens, _low, _high, _firstChild) = ([.. token], [.. low], [.. high], [.. firstChild]);
        _live = [.. _high.Zip(_low, (a, b) => a - b)];
        _available = new bool[_items.Length];
        Array.Fill(_available, true);
        MaxToken = Math.Max(end, _tokens.Max());

        ReadOnlySpan<int> StringOf(int item) => tokens.AsSpan(starts[item], starts[item + 1] - starts[item]);
        int TokenAt(int position, int place) => tokens[starts[_items[position]] + place];
    }

    /// <summary>Where every string begins.</summary>
    public static int Root => 0;

    /// <summary>The token that ends a string.</summary>
    public int End { get; }

    /// <summary>The largest token of all.</summary>
    public int MaxToken { get; }

    /// <summary>Items, available or not.</summary>
    public int Items => _items.Length;

    /// <summary>Beginnings of strings, the empty one and whole ones included.</summary>
    public int Nodes => _tokens.Length;

    /// <summary>The token that leads to a node.</summary>
    public int TokenOf(int node) => _tokens[node];

    /// <summary>Makes an item impossible to produce, from now on; nothing changes when it is so already.</summary>
    /// <param name="item">In [0, Items).</param>
    public void Withdraw(int item) => Change(item, available: false);

    /// <summary>Undoes <see cref="Withdraw"/>.</summary>
    public void Restore(int item) => Change(item, available: true);

    /// <summary>What a search is to leave out besides withdrawn items.</summary>
    /// <param name="items">In [0, Items), in any order, repeated or not.</param>
    /// <returns>For <see cref="AddChildren"/> and <see cref="AvailableAt"/>.</returns>
    public int[] Exclude(IEnumerable<int> items) => [.. items.Select(item => _positions[item]).Distinct().Order()];

    /// <summary>Adds the children through which an item can be reached that is available and not excluded, by token.</summary>
    public void AddChildren(int node, int[] excluded, List<int> children)
    {
        for (var child = _firstChild[node]; child < _firstChild[node + 1]; child++)
        {
            if (IsOpen(child, excluded))
            {
                children.Add(child);
            }
        }
    }

    /// <summary>The items whose string ends at a node, available and not excluded.</summary>
    public IEnumerable<int> AvailableAt(int node, int[] excluded) =>
        from position in Enumerable.Range(_low[node], _tokens[node] == End ? _high[node] - _low[node] : 0)
        where Volatile.Read(ref _available[position]) && Array.BinarySearch(excluded, position) < 0
        select _items[position];

    private bool IsOpen(int node, int[] excluded)
    {
        var spin = new SpinWait();
        while (true)
        {
            var changes = Volatile.Read(ref _changes);
            var live = Volatile.Read(ref _live[node]);
            if (live == 0 || live > excluded.Length)
            {
                return live > 0;
            }

            var first = Array.BinarySearch(excluded, _low[node]);
            for (var i = first < 0 ? ~first : first; i < excluded.Length && excluded[i] < _high[node]; i++)
            {
                live -= Volatile.Read(ref _available[excluded[i]]) ? 1 : 0;
            }

            // The number and the marks may be of different moments: too many left leads to a dead end, too few would hide an item.
            if (live > 0 || (changes % 2 == 0 && Volatile.Read(ref _changes) == changes))
            {
                return live > 0;
            }

            spin.SpinOnce();
        }
    }

    private void Change(int item, bool available)
    {
        var position = _positions[item];
        lock (_changing)
        {
            if (_available[position] == available)
            {
                return;
            }

            // Odd while numbers and marks do not fit each other.
            Volatile.Write(ref _changes, _changes + 1);
            Volatile.Write(ref _available[position], available);
            for (var node = Root; ; node = ChildAt(node, position))
            {
                Volatile.Write(ref _live[node], _live[node] + (available ? 1 : -1));
                if (_tokens[node] == End)
                {
                    break;
                }
            }

            Volatile.Write(ref _changes, _changes + 1);
        }
    }

    // The child whose range of sorted strings has the position.
    private int ChildAt(int node, int position)
    {
        var (first, count) = (_firstChild[node], _firstChild[node + 1] - _firstChild[node]);
        var found = Array.BinarySearch(_low, first, count, position);
        return found >= 0 ? found : ~found - 1;
    }

    private static (int[] Tokens, int[] Starts) Join(IReadOnlyList<int[]> strings, int end)
    {
        var tokens = new int[strings.Sum(tokens => tokens.Length + 1)];
        var starts = new int[strings.Count + 1];
        for (var item = 0; item < strings.Count; item++)
        {
            var text = strings[item];
            if (text.Length == 0 || text.Any(token => token < 0 || token == end))
            {
                throw new ArgumentException(
                    $"The string of item {item} is [{string.Join(", ", text)}]; it must have tokens, none negative and none the end token {end}.", nameof(strings));
            }

            text.CopyTo(tokens, starts[item]);
            tokens[starts[item] + text.Length] = end;
            starts[item + 1] = starts[item] + text.Length + 1;
        }

        return (tokens, starts);
    }
}

namespace StreamRec.Models.Text;

/// <summary>Merges the tokens of one word: of all neighbouring pairs the one with the lowest rank, until none is left that merges.</summary>
/// <remarks>
/// The tokens are a linked list and the pairs wait in a queue by rank and place, so a word of n bytes takes O(n log n): text without spaces, or a
/// hostile title, costs no more than other text of its length. Threading: one thread; buffers are kept for the next word.
/// Source: Sennrich et al. 2016, algorithm 1.
/// </remarks>
internal sealed class PairMerger
{
    /// <summary>Tokens in the list after which buffers are given back: one enormous word must not be paid for ever after.</summary>
    private const int KeptLength = 1 << 16;

    private readonly MergeTable _merges;
    private readonly Order _order;
    private readonly List<int> _places = [];
    private PriorityQueue<int, ulong> _waiting = new();
    private Node[] _nodes = new Node[256];

    /// <param name="merges">Ranks of the pairs.</param>
    /// <param name="order">What comes next after a merge.</param>
    public PairMerger(MergeTable merges, Order order) => (_merges, _order) = (merges, order);

    /// <summary>What comes next after a merge; it decides words in which one token can come about in two ways.</summary>
    public enum Order
    {
        /// <summary>A pair is merged at all its places before one that this makes is looked at, even one of lower rank: byte-level BPE.</summary>
        Pairs,

        /// <summary>Every merge is followed by the pair that is lowest then, the leftmost of equal ones: SentencePiece.</summary>
        Places,
    }

    /// <summary>Merges.</summary>
    /// <param name="ids">Ids of the single bytes or characters; overwritten by the tokens of the word.</param>
    /// <returns>How many tokens there are.</returns>
    public int Merge(Span<int> ids)
    {
        if (ids.Length < 2)
        {
            return ids.Length;
        }

        Fill(ids);
        while (_waiting.TryPeek(out _, out var first))
        {
            MergeRank((int)(first >> 32));
        }

        var count = 0;
        for (var place = 0; place >= 0; place = _nodes[place].Next)
        {
            ids[count++] = _nodes[place].Id;
        }

        if (ids.Length > KeptLength)
        {
            (_nodes, _waiting) = (new Node[256], new PriorityQueue<int, ulong>());
        }

        return count;
    }

    private void Fill(ReadOnlySpan<int> ids)
    {
        if (_nodes.Length < ids.Length)
        {
            _nodes = new Node[Math.Max(ids.Length, 2 * _nodes.Length)];
        }

        for (var i = 0; i < ids.Length; i++)
        {
            _nodes[i] = new Node { Id = ids[i], Previous = i - 1, Next = i + 1 < ids.Length ? i + 1 : -1 };
        }

        for (var i = 0; i < ids.Length; i++)
        {
            Rank(i);
        }
    }

    /// <summary>Merges the pair of one rank at its first place, or wherever it stands, from left to right.</summary>
    private void MergeRank(int rank)
    {
        _places.Clear();
        while (_waiting.TryPeek(out var place, out var key) && (int)(key >> 32) == rank)
        {
            _waiting.Dequeue();
            _places.Add(place);
            if (_order == Order.Places)
            {
                break;
            }
        }

        foreach (var place in _places)
        {
            ref var node = ref _nodes[place];

            // The pair may have lost a token to a merge beside it since it was queued.
            if (node.Rank != rank)
            {
                continue;
            }

            ref var gone = ref _nodes[node.Next];
            node.Id = node.Merged;
            node.Next = gone.Next;
            gone.Rank = MergeTable.NoMerge;
            if (node.Next >= 0)
            {
                _nodes[node.Next].Previous = place;
            }

            Rank(place);
            if (node.Previous >= 0)
            {
                Rank(node.Previous);
            }
        }
    }

    /// <summary>Looks up the pair that starts at a place, and queues it if it merges.</summary>
    private void Rank(int place)
    {
        ref var node = ref _nodes[place];
        node.Rank = node.Next < 0 ? MergeTable.NoMerge : _merges.RankOf(node.Id, _nodes[node.Next].Id, out node.Merged);
        if (node.Rank != MergeTable.NoMerge)
        {
            _waiting.Enqueue(place, ((ulong)(uint)node.Rank << 32) | (uint)place);
        }
    }

    private struct Node
    {
        public int Id;
        public int Previous;
        public int Next;
        public int Rank;
        public int Merged;
    }
}

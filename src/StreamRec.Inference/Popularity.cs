using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>How often each item was interacted with: the end of every list that no model computes, and the baseline that a model must beat.</summary>
/// <remarks>
/// Counts are exact; the ranking that lists are cut from is renewed at most once a second. It holds <see cref="Ranked"/> items,
/// more than a user can have had together with the longest list. Threading: every member from any thread.
/// </remarks>
public sealed class Popularity(Catalogue catalogue, TimeProvider time) : IInteractionObserver
{
    /// <summary>Items in the ranking.</summary>
    public const int Ranked = 4096;

    private readonly Lock _gate = new();
    private int[] _counts = new int[1024];
    private (int Item, int Count)[] _ranking = [];
    private long _rankedAt;
    private int _rankedAvailability;
    private bool _stale = true;

    /// <inheritdoc/>
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        if (entry.Type != InteractionType.Impression)
        {
            Count(entry.Item);
        }
    }

    /// <summary>Counts one interaction with an item.</summary>
    public void Count(int item)
    {
        lock (_gate)
        {
            if (item >= _counts.Length)
            {
                Array.Resize(ref _counts, Math.Max(item + 1, _counts.Length * 2));
            }

            _counts[item]++;
            _stale = true;
        }
    }

    /// <summary>The k most popular available items that are not masked, best first; fewer where there are no more. The score is the count.</summary>
    public IReadOnlyList<RankedItem> Top(int k, ReadOnlySpan<int> masked)
    {
        var ranking = Ranking();
        var excluded = new HashSet<int>(masked.Length);
        foreach (var item in masked)
        {
            excluded.Add(item);
        }

        var list = new List<RankedItem>(k);
        foreach (var (item, count) in ranking)
        {
            if (list.Count == k)
            {
                break;
            }

            if (!excluded.Contains(item) && catalogue[item].Available)
            {
                list.Add(new RankedItem(item, count, "popularity"));
            }
        }

        return list;
    }

    private (int Item, int Count)[] Ranking()
    {
        lock (_gate)
        {
            var availability = catalogue.AvailabilityVersion;
            var old = time.GetElapsedTime(_rankedAt) >= TimeSpan.FromSeconds(1) || _ranking.Length < 100;
            if ((_stale && old) || availability != _rankedAvailability)
            {
                _ranking = Rank();
                _rankedAt = time.GetTimestamp();
                _rankedAvailability = availability;
                _stale = false;
            }

            return _ranking;
        }
    }

    // One pass with a bounded min-heap: the ranking costs the number of items once, not a sort of the catalogue.
    private (int Item, int Count)[] Rank()
    {
        var heap = new PriorityQueue<int, (int Count, int Order)>(Ranked + 1);
        for (var item = 0; item < _counts.Length && item < catalogue.Count; item++)
        {
            if (_counts[item] == 0 || !catalogue[item].Available)
            {
                continue;
            }

            // Equal counts are ordered by item number, so that the ranking is the same on every node.
            heap.Enqueue(item, (_counts[item], -item));
            if (heap.Count > Ranked)
            {
                heap.Dequeue();
            }
        }

        var ranking = new (int, int)[heap.Count];
        for (var i = ranking.Length - 1; i >= 0; i--)
        {
            var item = heap.Dequeue();
            ranking[i] = (item, _counts[item]);
        }

        return ranking;
    }
}

using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>
/// Live quality: each interaction is looked for in the list that its user was last served, before anything learns from it, and in what
/// popularity would have offered at the same moment. Only interactions whose user had a list count, so both are judged on the same ones.
/// While no model serves, lists are popularity themselves and the two figures are nearly the same.
/// </summary>
/// <remarks>Bounded: the last lists of at most <paramref name="users"/> users. Threading: every member from any thread.</remarks>
/// <param name="popularity">The k most popular items for a user who has had the items given.</param>
/// <param name="window">Interactions that the sliding figures look back on.</param>
/// <param name="users">Users whose last list is remembered.</param>
public sealed class Prequential(Func<int, ReadOnlySpan<int>, IReadOnlyList<RankedItem>> popularity, int window, int users)
    : IInteractionObserver
{
    /// <summary>Length of the lists that are judged.</summary>
    public const int K = 10;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int[]> _lists = new(StringComparer.Ordinal);
    private readonly Queue<(bool Served, bool Popularity)> _recent = new();
    private int _servedHits;
    private int _popularityHits;
    private long _judged;

    /// <summary>The figures of the moment.</summary>
    public PrequentialFigures Figures
    {
        get
        {
            lock (_gate)
            {
                var n = Math.Max(1, _recent.Count);
                return new PrequentialFigures(_judged, _recent.Count, (double)_servedHits / n, (double)_popularityHits / n);
            }
        }
    }

    /// <summary>Remembers a published list.</summary>
    public void Published(Recommendation recommendation)
    {
        lock (_gate)
        {
            if (_lists.Count >= users && !_lists.ContainsKey(recommendation.UserId))
            {
                // Which one goes does not matter for the figure, only that memory stays bounded.
                _lists.Remove(_lists.Keys.First());
            }

            _lists[recommendation.UserId] = [.. recommendation.Items.Take(K).Select(item => item.Item)];
        }
    }

    /// <summary>Drops a forgotten user's list.</summary>
    public void Forget(string userId)
    {
        lock (_gate)
        {
            _lists.Remove(userId);
        }
    }

    /// <inheritdoc/>
    public void Observed(string userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        if (entry.Type == InteractionType.Impression)
        {
            return;
        }

        int[]? list;
        lock (_gate)
        {
            if (!_lists.TryGetValue(userId, out list))
            {
                return;
            }
        }

        var had = new int[historyBefore.Length];
        for (var i = 0; i < had.Length; i++)
        {
            had[i] = historyBefore[i].Item;
        }

        // An item that the user has had cannot be in any list: it says nothing about either.
        if (Array.IndexOf(had, entry.Item) >= 0)
        {
            return;
        }

        var served = Array.IndexOf(list, entry.Item) >= 0;
        var byPopularity = popularity(K, had).Any(ranked => ranked.Item == entry.Item);
        lock (_gate)
        {
            _judged++;
            Add(served, byPopularity, 1);
            _recent.Enqueue((served, byPopularity));
            if (_recent.Count > window)
            {
                var (was, popular) = _recent.Dequeue();
                Add(was, popular, -1);
            }
        }
    }

    private void Add(bool served, bool popular, int sign)
    {
        _servedHits += served ? sign : 0;
        _popularityHits += popular ? sign : 0;
    }
}

/// <summary>Prequential figures.</summary>
/// <param name="Judged">Interactions judged since the start.</param>
/// <param name="Window">Interactions that the rates look back on.</param>
/// <param name="HitRate">HR@10 of the lists that were served.</param>
/// <param name="PopularityHitRate">HR@10 that popularity would have had on the same interactions.</param>
public readonly record struct PrequentialFigures(long Judged, int Window, double HitRate, double PopularityHitRate);

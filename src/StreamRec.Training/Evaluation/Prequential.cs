using System.Text;
using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>
/// Live quality: a user's first interaction after a list was served is looked for in that list, before anything learns from it, and in what
/// transitions and popularity would have offered after the same history: what a list did not know yet, they do not know either. All three are
/// judged on the same interactions. While no model serves, lists are those of transitions and the first two figures are nearly the same.
/// </summary>
/// <remarks>
/// A list is judged once: judging costs two lists of its own, and a user whose interactions come faster than lists must not cost more of them than
/// are served. Bounded: the last lists of at most <paramref name="users"/> users. Threading: every member from any thread.
/// </remarks>
/// <param name="transitions">The k items that transitions speak for most, filled up by popularity, for a user who has had the items given, oldest first.</param>
/// <param name="popularity">The k most popular items for a user who has had the items given.</param>
/// <param name="window">Interactions that the sliding figures look back on.</param>
/// <param name="users">Users whose last list is remembered.</param>
public sealed class Prequential(
    Func<int, ReadOnlySpan<int>, IReadOnlyList<RankedItem>> transitions,
    Func<int, ReadOnlySpan<int>, IReadOnlyList<RankedItem>> popularity,
    int window,
    int users) : IInteractionObserver
{
    /// <summary>Length of the lists that are judged.</summary>
    public const int K = 10;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int[] Items, long Sequence)> _lists = new(StringComparer.Ordinal);
    private readonly Queue<(bool Served, bool Transitions, bool Popularity)> _recent = new();
    private int _servedHits;
    private int _transitionsHits;
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
                return new PrequentialFigures(
                    _judged, _recent.Count, (double)_servedHits / n, (double)_transitionsHits / n, (double)_popularityHits / n);
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

            _lists[recommendation.UserId] = ([.. recommendation.Items.Take(K).Select(item => item.Item)], recommendation.Sequence);
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
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        if (entry.Type == InteractionType.Impression)
        {
            return;
        }

        Span<char> chars = stackalloc char[Interaction.MaxIdBytes];
        ReadOnlySpan<char> user = chars[..Encoding.UTF8.GetChars(userId, chars)];
        var lists = _lists.GetAlternateLookup<ReadOnlySpan<char>>();
        (int[] Items, long Sequence) list;
        lock (_gate)
        {
            if (!lists.TryGetValue(user, out list))
            {
                return;
            }
        }

        // As the window of a list: what was only shown is not had.
        var had = new int[historyBefore.Length];
        var (length, known) = (0, 0);
        for (var i = 0; i < historyBefore.Length; i++)
        {
            if (historyBefore[i].Type != InteractionType.Impression)
            {
                had[length++] = historyBefore[i].Item;
            }

            // A history that was cut to its newest entries no longer tells which of them the list knew: it is taken whole.
            known = i < list.Sequence ? length : known;
        }

        Array.Resize(ref had, length);

        // An item that the user has had cannot be in any list: it says nothing about them.
        if (Array.IndexOf(had, entry.Item) >= 0)
        {
            return;
        }

        lock (_gate)
        {
            // Unless a newer one has been served meanwhile, which waits for the next interaction.
            if (lists.TryGetValue(user, out var newest) && newest.Items == list.Items)
            {
                lists.Remove(user);
            }
        }

        var served = Array.IndexOf(list.Items, entry.Item) >= 0;
        var byTransitions = transitions(K, had.AsSpan(0, known)).Any(ranked => ranked.Item == entry.Item);
        var byPopularity = popularity(K, had.AsSpan(0, known)).Any(ranked => ranked.Item == entry.Item);
        lock (_gate)
        {
            _judged++;
            Add((served, byTransitions, byPopularity), 1);
            _recent.Enqueue((served, byTransitions, byPopularity));
            if (_recent.Count > window)
            {
                Add(_recent.Dequeue(), -1);
            }
        }
    }

    private void Add((bool Served, bool Transitions, bool Popularity) hits, int sign)
    {
        _servedHits += hits.Served ? sign : 0;
        _transitionsHits += hits.Transitions ? sign : 0;
        _popularityHits += hits.Popularity ? sign : 0;
    }
}

/// <summary>Prequential figures.</summary>
/// <param name="Judged">Interactions judged since the start.</param>
/// <param name="Window">Interactions that the rates look back on.</param>
/// <param name="HitRate">HR@10 of the lists that were served.</param>
/// <param name="TransitionsHitRate">HR@10 that transitions would have had on the same interactions.</param>
/// <param name="PopularityHitRate">HR@10 that popularity would have had on the same interactions.</param>
public readonly record struct PrequentialFigures(long Judged, int Window, double HitRate, double TransitionsHitRate, double PopularityHitRate);

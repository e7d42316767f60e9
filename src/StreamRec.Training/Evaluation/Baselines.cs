using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>The most frequent items of the training histories for everybody: the baseline that stands beside every figure.</summary>
/// <remarks>Equally frequent items stand in the order of their numbers.</remarks>
public sealed class PopularityModel : IModel
{
    private readonly int[] _ranking;

    /// <param name="train">Histories to count.</param>
    public PopularityModel(IEnumerable<UserHistory> train)
    {
        var counts = new Dictionary<int, int>();
        foreach (var item in train.SelectMany(user => user.Items))
        {
            counts[item] = counts.GetValueOrDefault(item) + 1;
        }

        _ranking = [.. counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Select(pair => pair.Key)];
    }

    /// <inheritdoc/>
    public ModelVersion Version { get; } = new("popularity", 0);

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries) => [.. queries.Select(query =>
    {
        var masked = query.Masked.ToArray().ToHashSet();
        return _ranking.Where(item => !masked.Contains(item)).Take(query.K)
            .Select((item, place) => new RankedItem(item, -place, "popularity")).ToArray();
    })];

    public void Dispose()
    {
    }
}

/// <summary>Items in the order of what the evidence alone says; nothing where it says nothing.</summary>
/// <param name="name">As people see it.</param>
/// <param name="evidence">Counted on the training histories.</param>
/// <param name="itemCount">Item numbers that may be in a list: 0 to itemCount - 1.</param>
public sealed class EvidenceModel(string name, IEvidence evidence, int itemCount) : IModel
{
    /// <inheritdoc/>
    public ModelVersion Version { get; } = new(name, 0);

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
    {
        var scores = new float[itemCount];
        var lists = new IReadOnlyList<RankedItem>[queries.Count];
        foreach (var (i, query) in queries.Index())
        {
            Array.Clear(scores);
            evidence.AddTo(query.Window.Span, 1, scores);
            foreach (var item in query.Masked.Span)
            {
                if (item < itemCount)
                {
                    scores[item] = 0;
                }
            }

            lists[i] = Top(scores, query.K);
        }

        return lists;
    }

    public void Dispose()
    {
    }

    private RankedItem[] Top(float[] scores, int k)
    {
        var best = new PriorityQueue<int, (float Score, int Order)>(k + 1);
        for (var item = 0; item < scores.Length; item++)
        {
            if (scores[item] == 0 || (best.Count == k && best.TryPeek(out _, out var worst) && scores[item] <= worst.Score))
            {
                continue;
            }

            best.Enqueue(item, (scores[item], -item));
            if (best.Count > k)
            {
                best.Dequeue();
            }
        }

        var list = new RankedItem[best.Count];
        for (var place = list.Length - 1; place >= 0; place--)
        {
            var item = best.Dequeue();
            list[place] = new RankedItem(item, scores[item], name);
        }

        return list;
    }
}

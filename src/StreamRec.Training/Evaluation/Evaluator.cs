using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>Full ranking: each target is looked for in the model's list over the whole catalogue, items of the history masked.</summary>
public static class Evaluator
{
    /// <summary>Cases in one batch.</summary>
    private const int BatchSize = 128;

    /// <summary>Ranks every case with a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cases">Questions with their answers.</param>
    /// <param name="progress">Told the number of cases done, or null.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    public static RankingMetrics Evaluate(
        IModel model, IReadOnlyList<TestCase> cases, IProgress<int>? progress, CancellationToken cancellationToken)
    {
        var metrics = new RankingMetrics();
        for (var start = 0; start < cases.Count; start += BatchSize)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = Math.Min(BatchSize, cases.Count - start);
            var queries = new ModelQuery[count];
            for (var i = 0; i < count; i++)
            {
                var test = cases[start + i];
                queries[i] = new ModelQuery(test.UserId, test.History, test.History, RankingMetrics.Depth);
            }

            var lists = model.Recommend(queries);
            for (var i = 0; i < count; i++)
            {
                metrics.Add(RankOf(lists[i], cases[start + i].Target));
            }

            progress?.Report(start + count);
        }

        return metrics;
    }

    /// <summary>Ranks every case by how often items occur in the training histories: the baseline that stands beside every figure.</summary>
    public static RankingMetrics EvaluatePopularity(IReadOnlyList<UserHistory> train, IReadOnlyList<TestCase> cases)
    {
        var counts = new Dictionary<int, int>();
        foreach (var item in train.SelectMany(user => user.Items))
        {
            counts[item] = counts.GetValueOrDefault(item) + 1;
        }

        var ranking = counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Select(pair => pair.Key).ToArray();
        var metrics = new RankingMetrics();
        var seen = new HashSet<int>();
        foreach (var test in cases)
        {
            seen.Clear();
            seen.UnionWith(test.History.Span.ToArray());
            var rank = 0;
            var found = 0;
            foreach (var item in ranking)
            {
                if (seen.Contains(item))
                {
                    continue;
                }

                rank++;
                if (item == test.Target)
                {
                    found = rank;
                    break;
                }

                if (rank == RankingMetrics.Depth)
                {
                    break;
                }
            }

            metrics.Add(found);
        }

        return metrics;
    }

    private static int RankOf(IReadOnlyList<RankedItem> list, int target)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i].Item == target)
            {
                return i + 1;
            }
        }

        return 0;
    }
}

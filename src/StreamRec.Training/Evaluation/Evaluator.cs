using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>Full ranking: each target is looked for in the model's list over the whole catalogue.</summary>
/// <remarks>
/// A second recall step fills the end of a list, so what stands in the first ten places depends on how long a list was asked for. With two
/// steps lists of ten are asked for, and there are no figures at 20.
/// </remarks>
public static class Evaluator
{
    /// <summary>Cases in one batch.</summary>
    private const int BatchSize = 128;

    private const int TwoStepPlaces = 10;

    /// <summary>Ranks every case with a model, items of the history masked.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cases">Questions with their answers.</param>
    /// <param name="progress">Told the number of cases done, or null.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    public static RankingMetrics Evaluate(
        IModel model, IReadOnlyList<TestCase> cases, IProgress<int>? progress, CancellationToken cancellationToken) =>
        Evaluate(model, cases, masked: true, exposure: null, progress, cancellationToken);

    /// <summary>Ranks every case with a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cases">Questions with their answers.</param>
    /// <param name="masked">Whether items of the history are left out; where people come back to the same items the other answer matters too.</param>
    /// <param name="exposure">Told every list, or null.</param>
    /// <param name="progress">Told the number of cases done, or null.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    public static RankingMetrics Evaluate(
        IModel model, IReadOnlyList<TestCase> cases, bool masked, Exposure? exposure, IProgress<int>? progress, CancellationToken cancellationToken)
    {
        var places = PlacesOf(model);
        var metrics = new RankingMetrics { Places = places };
        for (var start = 0; start < cases.Count; start += BatchSize)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = Math.Min(BatchSize, cases.Count - start);
            var queries = new ModelQuery[count];
            for (var i = 0; i < count; i++)
            {
                var test = cases[start + i];
                queries[i] = new ModelQuery(test.UserId, test.History, masked ? test.History : default, places);
            }

            var lists = model.Recommend(queries);
            for (var i = 0; i < count; i++)
            {
                metrics.Add(RankOf(lists[i], cases[start + i].Target));
                exposure?.Add(lists[i]);
            }

            progress?.Report(start + count);
        }

        return metrics;
    }

    /// <summary>Ranks every case by how often items occur in the training histories, items of the history masked.</summary>
    public static RankingMetrics EvaluatePopularity(IReadOnlyList<UserHistory> train, IReadOnlyList<TestCase> cases)
    {
        using var popularity = new PopularityModel(train);
        return Evaluate(popularity, cases, null, CancellationToken.None);
    }

    /// <summary>How long the lists are that a model is asked for.</summary>
    private static int PlacesOf(IModel model) => model is ITwoStepRecall { SecondStep: > 0 } ? TwoStepPlaces : RankingMetrics.Depth;

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

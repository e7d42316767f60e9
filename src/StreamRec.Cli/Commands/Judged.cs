using System.Globalization;
using StreamRec.Cli.Drawing;
using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Cli.Commands;

/// <summary>A model with what its lists came to: one row of an evaluation.</summary>
/// <param name="Name">As people see it.</param>
/// <param name="Metrics">Ranking quality.</param>
/// <param name="Exposure">What was shown.</param>
internal sealed record Judged(string Name, RankingMetrics Metrics, Exposure Exposure)
{
    /// <summary>95 % intervals over users, by figure.</summary>
    public IReadOnlyDictionary<string, Interval> Intervals { get; } = IntervalsOf(Metrics);

    /// <summary>All figures by name.</summary>
    public Dictionary<string, double> Named => new([.. Metrics.Named(), .. Exposure.Named()]);

    /// <summary>Ranks every case.</summary>
    /// <param name="name">As people see it.</param>
    /// <param name="model">The model.</param>
    /// <param name="split">What popularity is counted on, and the cases.</param>
    /// <param name="itemCount">Items of the catalogue.</param>
    /// <param name="masked">Whether items of the history are left out.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static Task<Judged> OfAsync(
        string name, IModel model, Training.LeaveOneOut split, int itemCount, bool masked, CancellationToken cancellationToken) =>
        Output.WithProgressAsync($"evaluating {name}", split.Test.Count, "users", report => Task.Run(
            () =>
            {
                var exposure = new Exposure(split.Train, itemCount);
                return new Judged(
                    name, Evaluator.Evaluate(model, split.Test, masked, exposure, new Progress(report), cancellationToken), exposure);
            },
            cancellationToken));

    /// <summary>Figures of all models as a table, with intervals of the two that models are judged by.</summary>
    public static void WriteTable(IReadOnlyList<Judged> models)
    {
        // Lists of two recall steps are shorter than those of the baselines: what one does not have stays empty.
        string[] columns = [.. models.MaxBy(model => model.Named.Count)!.Named.Keys];
        Output.WriteTable(
            ["", .. columns.Select(name => name.ToUpperInvariant())],
            models.Select(model => (IReadOnlyList<string>)[model.Name, .. columns.Select(name => model.Named.TryGetValue(name, out var value) ? Text(value) : "")]));
        Output.WriteTable(
            ["95 % over users", RankingFigure.Hit10.Name.ToUpperInvariant(), RankingFigure.Ndcg10.Name.ToUpperInvariant()],
            models.Select(model => (IReadOnlyList<string>)[model.Name, Between(model, RankingFigure.Hit10), Between(model, RankingFigure.Ndcg10)]));

        static string Between(Judged model, RankingFigure figure) =>
            $"{Text(model.Metrics.Value(figure))} [{Text(model.Intervals[figure.Name].Low)}, {Text(model.Intervals[figure.Name].High)}]";
    }

    /// <summary>The figures that models are judged by, as bars.</summary>
    public static BarChart Bars(string title, IReadOnlyList<Judged> models)
    {
        var places = models.Min(model => model.Metrics.Places);
        RankingFigure[] figures = [.. RankingFigure.All.Where(figure => figure.Gain != RankingGain.ReciprocalRank && figure.K <= places)];
        return new BarChart(title, "share of users, or mean gain", [.. figures.Select(figure => figure.Name.ToUpperInvariant())],
            [.. models.Select(model => new BarSeries(
                model.Name, [.. figures.Select(figure => new Bar(model.Metrics.Value(figure), model.Intervals[figure.Name]))]))]);
    }

    /// <summary>NDCG@10 by length of the history and by popularity of the target, as bars.</summary>
    public static IReadOnlyList<BarChart> Bars(Breakdown breakdown, IReadOnlyList<(string Name, IReadOnlyList<byte> Ranks)> models) =>
    [
        ByGroup("NDCG@10 by items in the history", models, breakdown.ByLength),
        ByGroup("NDCG@10 by occurrences of the target in training", models, breakdown.ByPopularity),
    ];

    private static BarChart ByGroup(
        string title, IReadOnlyList<(string Name, IReadOnlyList<byte> Ranks)> models, Func<IReadOnlyList<byte>, IReadOnlyList<CaseGroup>> split) =>
        new(title, "mean gain", [.. split(models[0].Ranks).Select(group => $"{group.Name} (n = {group.Metrics.Cases.ToString("N0", CultureInfo.InvariantCulture)})")],
            [.. models.Select(model => new BarSeries(model.Name, [.. split(model.Ranks).Select(group => new Bar(
                group.Metrics.Ndcg(10), Bootstrap.Intervals(group.Metrics.Ranks, [RankingFigure.Ndcg10])[0]))]))]);

    private static Dictionary<string, Interval> IntervalsOf(RankingMetrics metrics)
    {
        RankingFigure[] figures = [.. RankingFigure.All.Where(figure => figure.K <= metrics.Places)];
        return figures.Zip(Bootstrap.Intervals(metrics.Ranks, figures)).ToDictionary(pair => pair.First.Name, pair => pair.Second);
    }

    private static string Text(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    private sealed class Progress(Action<double> report) : IProgress<int>
    {
        public void Report(int value) => report(value);
    }
}

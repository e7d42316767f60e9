namespace StreamRec.Torch.Tests;

/// <summary>The functions of <see cref="Functional"/>.</summary>
public static partial class OperatorCases
{
    private static readonly long[] Classes = [1, -100, 3];

    private static Tensor Target => Tensor.From(Classes);

    private static IEnumerable<OperatorCase> Functionals() =>
    [
        new("Linear", x => Functional.Linear(x[0], x[1], x[2]), x => Nd.Build([2, 3, 5], i => x[2][i[2]] + Dot(4, k => x[0][i[0], i[1], k] * x[1][i[2], k])), [2, 3, 4], [5, 4], [5]),
        new("Linear without bias", x => Functional.Linear(x[0], x[1]), x => Nd.Build([3, 5], i => Dot(4, k => x[0][i[0], k] * x[1][i[1], k])), [3, 4], [5, 4]),
        One("Embedding", x => Functional.Embedding(x, Tensor.From([0L, 2, 2, 1], 2, 2)), x => Nd.Build([2, 2, 4], i => x[new long[] { 0, 2, 2, 1 }[i[0] * 2 + i[1]], i[2]])),
        new("LayerNorm", x => Functional.LayerNorm(x[0], x[1], x[2], 1e-3), x => Nd.Zip(Nd.Zip(Normalised(x[0], 1e-3), x[1], (a, b) => a * b), x[2], (a, b) => a + b), [2, 3, 4], [4], [4]),
        One("LayerNorm plain", x => Functional.LayerNorm(x, null, null), x => Normalised(x, 1e-5)),
        One("Dropout when not training", x => Functional.Dropout(x, 0.5, training: false), x => x),
        One("CrossEntropy", x => Functional.CrossEntropy(x, Target), x => Nd.Number(Losses(x, 0).Sum() / 2)),
        One("CrossEntropy sum", x => Functional.CrossEntropy(x, Target, reduction: Reduction.Sum), x => Nd.Number(Losses(x, 0).Sum())),
        One("CrossEntropy none", x => Functional.CrossEntropy(x, Target, reduction: Reduction.None), x => Nd.From(Losses(x, 0), 3)),
        One("CrossEntropy other ignored", x => Functional.CrossEntropy(x, Tensor.From([1L, 0, 3]), ignoreIndex: 0), x => Nd.Number(Losses(x, 0).Sum() / 2)),
        One("CrossEntropy smoothed", x => Functional.CrossEntropy(x, Target, labelSmoothing: 0.1), x => Nd.Number(Losses(x, 0.1).Sum() / 2)),
        One("NllLoss", x => Functional.NllLoss(x, Target), x => Nd.Number(-(x[0, 1] + x[2, 3]) / 2)),
        One("NllLoss sum", x => Functional.NllLoss(x, Target, reduction: Reduction.Sum), x => Nd.Number(-x[0, 1] - x[2, 3])),
        One("BinaryCrossEntropyWithLogits", x => Functional.BinaryCrossEntropyWithLogits(x, AsNumber(Checkers)), x => Nd.Number(BinaryLosses(x).Data.Average())),
        One("BinaryCrossEntropyWithLogits none", x => Functional.BinaryCrossEntropyWithLogits(x, AsNumber(Checkers), Reduction.None), BinaryLosses),
        new("AddMm", x => Functional.AddMm(x[0], x[1], x[2], 0.5, 2), x => Nd.Build([3, 2], i => 0.5 * x[0][i[1]] + 2 * Dot(4, k => x[1][i[0], k] * x[2][k, i[1]])), [2], [3, 4], [4, 2]),
    ];

    private static Nd Normalised(Nd x, double eps) => x.MapLines(x.Shape.Length - 1, line =>
    {
        var mean = line.Average();
        var deviation = Math.Sqrt(line.Average(e => (e - mean) * (e - mean)) + eps);
        return [.. line.Select(e => (e - mean) / deviation)];
    });

    // A row whose class is ignored has no loss.
    private static double[] Losses(Nd x, double smoothing) => [.. Enumerable.Range(0, 3).Select(row =>
    {
        var logs = SoftmaxOf([.. Enumerable.Range(0, 4).Select(c => x[row, c])]).Select(p => Math.Log(p)).ToArray();
        return Classes[row] < 0 ? 0 : -(1 - smoothing) * logs[Classes[row]] - smoothing * logs.Average();
    })];

    private static Nd BinaryLosses(Nd x) =>
        Nd.Build(x.Shape, i => -Math.Log(IsChecked(i) ? Logistic(x[i]) : 1 - Logistic(x[i])));
}

namespace StreamRec.Torch.Tests;

/// <summary>Comparisons and reductions.</summary>
public static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Comparison()
    {
        // Signs of two inputs, so that equal elements occur.
        static Tensor Sign(Tensor x) => x.Gt(0).To(ScalarType.Float64);
        static double SignOf(double x) => x > 0 ? 1 : 0;

        OperatorCase Pair(string name, Func<Tensor, Tensor, Tensor> f, Func<double, double, bool> g) =>
            new(name, x => AsNumber(f(Sign(x[0]), Sign(x[1]))), x => Nd.Zip(x[0], x[1], (a, b) => g(SignOf(a), SignOf(b)) ? 1 : 0), Matrix, Row)
            {
                Differentiable = false,
            };

        OperatorCase Number(string name, Func<Tensor, Tensor> f, Func<double, bool> g) =>
            new(name, x => AsNumber(f(Sign(x[0]))), x => x[0].Map(a => g(SignOf(a)) ? 1 : 0), Matrix) { Differentiable = false };

        return
        [
            Pair("Eq", (a, b) => a.Eq(b), (a, b) => a == b),
            Pair("Ne", (a, b) => a.Ne(b), (a, b) => a != b),
            Pair("Lt", (a, b) => a.Lt(b), (a, b) => a < b),
            Pair("Le", (a, b) => a.Le(b), (a, b) => a <= b),
            Pair("Gt", (a, b) => a.Gt(b), (a, b) => a > b),
            Pair("Ge", (a, b) => a.Ge(b), (a, b) => a >= b),
            Number("Eq number", x => x.Eq(1), x => x == 1),
            Number("Ne number", x => x.Ne(1), x => x != 1),
            Number("Lt number", x => x.Lt(1), x => x < 1),
            Number("Le number", x => x.Le(0), x => x <= 0),
            Number("Gt number", x => x.Gt(0.5), x => x > 0.5),
            Number("Ge number", x => x.Ge(1), x => x >= 1),
            Pair("LogicalAnd", (a, b) => a.LogicalAnd(b), (a, b) => a != 0 && b != 0),
            Pair("LogicalOr", (a, b) => a.LogicalOr(b), (a, b) => a != 0 || b != 0),
            Number("LogicalNot", x => x.LogicalNot(), x => x == 0),
            Number("IsFinite", x => (1 / x).IsFinite(), x => x != 0),
            Fixed("All", x => x.Gt(-3).All(), _ => Nd.Number(1)),
            Fixed("Any", x => x.Gt(3).Any(), _ => Nd.Number(0)),
            Fixed("All dim", x => x.Gt(-1).All(1), x => x.Reduce(1, line => line.All(e => e > -1) ? 1 : 0)),
            Fixed("Any dim", x => x.Gt(1).Any(1), x => x.Reduce(1, line => line.Any(e => e > 1) ? 1 : 0)),
        ];
    }

    private static IEnumerable<OperatorCase> Reductions() =>
    [
        One("Sum", x => x.Sum(), x => Nd.Number(x.Data.Sum())),
        One("Sum dim", x => x.Sum(0), x => x.Reduce(0, line => line.Sum())),
        One("Sum keepdim", x => x.Sum(-1, keepdim: true), x => x.MapLines(1, line => [line.Sum()])),
        One("Mean", x => x.Mean(), x => Nd.Number(x.Data.Average())),
        One("Mean dim", x => x.Mean(1), x => x.Reduce(1, line => line.Average())),
        One("Mean keepdim", x => x.Mean(0, keepdim: true), x => x.MapLines(0, line => [line.Average()])),
        One("Max", x => x.Max(), x => Nd.Number(x.Data.Max())),
        One("Max dim", x => x.Max(1).Values, x => x.Reduce(1, line => line.Max())),
        One("Min", x => x.Min(), x => Nd.Number(x.Data.Min())),
        One("Min dim", x => x.Min(0, keepdim: true).Values, x => x.MapLines(0, line => [line.Min()])),
        Fixed("Max indices", x => x.Max(1).Indices, x => x.Reduce(1, line => line.IndexOf(line.Max()))),
        Fixed("Min indices", x => x.Min(1).Indices, x => x.Reduce(1, line => line.IndexOf(line.Min()))),
        Fixed("ArgMax", x => x.ArgMax(0), x => x.Reduce(0, line => line.IndexOf(line.Max()))),
        One("TopK", x => x.TopK(2, 1).Values, x => x.MapLines(1, line => [.. line.OrderDescending().Take(2)])),
        One("TopK smallest", x => x.TopK(2, 0, largest: false).Values, x => x.MapLines(0, line => [.. line.Order().Take(2)])),
        Fixed(
            "TopK indices",
            x => x.TopK(2).Indices,
            x => x.MapLines(1, line => [.. line.OrderDescending().Take(2).Select(e => (double)line.IndexOf(e))])),
        One("CumSum", x => x.CumSum(1), x => x.MapLines(1, line => [.. line.Select((_, j) => line[..(j + 1)].Sum())])),
        One("Norm", x => x.Norm(), x => Nd.Number(Math.Sqrt(x.Data.Sum(e => e * e)))),
        One("Softmax", x => x.Softmax(1), x => x.MapLines(1, SoftmaxOf)),
        One("Softmax dim 0", x => x.Softmax(0), x => x.MapLines(0, SoftmaxOf)),
        One("LogSoftmax", x => x.LogSoftmax(-1), x => x.MapLines(1, line => [.. SoftmaxOf(line).Select(p => Math.Log(p))])),
    ];

    private static OperatorCase One(string name, Func<Tensor, Tensor> f, Func<Nd, Nd> g) =>
        new(name, x => f(x[0]), x => g(x[0]), Matrix);

    private static OperatorCase Fixed(string name, Func<Tensor, Tensor> f, Func<Nd, Nd> g) =>
        new(name, x => AsNumber(f(x[0])), x => g(x[0]), Matrix) { Differentiable = false };

    private static Tensor AsNumber(Tensor x) => x.To(ScalarType.Float64);

    private static int IndexOf(this double[] line, double value) => Array.IndexOf(line, value);

    private static double[] SoftmaxOf(double[] line)
    {
        var total = line.Sum(Math.Exp);
        return [.. line.Select(e => Math.Exp(e) / total)];
    }
}

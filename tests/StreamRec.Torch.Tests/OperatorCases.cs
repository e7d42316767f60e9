namespace StreamRec.Torch.Tests;

/// <summary>The table of operators: arithmetic here, the rest beside it.</summary>
public static partial class OperatorCases
{
    private static readonly long[] Matrix = [3, 4];
    private static readonly long[] Row = [4];

    public static IReadOnlyDictionary<string, OperatorCase> All { get; } =
        new[] { Arithmetic(), Elementwise(), Comparison(), Reductions(), Shapes(), Indexing(), InPlace(), Functionals() }
            .SelectMany(group => group)
            .ToDictionary(item => item.Name);

    private static OperatorCase Unary(string name, Func<Tensor, Tensor> f, Func<double, double> g, double low = -2, double high = 2) =>
        new(name, x => f(x[0]), x => x[0].Map(g), Matrix) { Low = low, High = high };

    private static OperatorCase Binary(
        string name, Func<Tensor, Tensor, Tensor> f, Func<double, double, double> g, double low = -2, double high = 2) =>
        new(name, x => f(x[0], x[1]), x => Nd.Zip(x[0], x[1], g), Matrix, Row) { Low = low, High = high };

    private static IEnumerable<OperatorCase> Arithmetic() =>
    [
        Binary("+", (a, b) => a + b, (a, b) => a + b),
        Binary("-", (a, b) => a - b, (a, b) => a - b),
        Binary("*", (a, b) => a * b, (a, b) => a * b),
        Binary("/", (a, b) => a / b, (a, b) => a / b, 0.5),
        Unary("+ number", x => x + 1.5, x => x + 1.5),
        Unary("number +", x => 1.5 + x, x => x + 1.5),
        Unary("- number", x => x - 1.5, x => x - 1.5),
        Unary("number -", x => 1.5 - x, x => 1.5 - x),
        Unary("* number", x => x * 2.5, x => x * 2.5),
        Unary("number *", x => 2.5 * x, x => x * 2.5),
        Unary("/ number", x => x / 4, x => x / 4),
        Unary("number /", x => 3 / x, x => 3 / x, 0.5),
        Unary("negation", x => -x, x => -x),
        new("MatMul", x => x[0].MatMul(x[1]), x => Product(x[0], x[1]), [3, 4], [4, 2]),
        new("MatMul broadcast", x => x[0].MatMul(x[1]), x => Product(x[0], x[1]), [2, 1, 3, 4], [5, 4, 2]),
        new("MatMul vector", x => x[0].MatMul(x[1]), x => Nd.Build([3], i => Dot(4, k => x[0][i[0], k] * x[1][k])), [3, 4], [4]),
        new("Bmm", x => x[0].Bmm(x[1]), x => Product(x[0], x[1]), [2, 3, 4], [2, 4, 2]),
    ];

    private static IEnumerable<OperatorCase> Elementwise() =>
    [
        Unary("Pow", x => x.Pow(3), x => x * x * x),
        Unary("Pow fraction", x => x.Pow(-0.5), x => Math.Pow(x, -0.5), 0.5),
        Unary("Exp", x => x.Exp(), Math.Exp),
        Unary("Log", x => x.Log(), Math.Log, 0.5),
        Unary("Sqrt", x => x.Sqrt(), Math.Sqrt, 0.5),
        Unary("Rsqrt", x => x.Rsqrt(), x => 1 / Math.Sqrt(x), 0.5),
        Unary("Abs", x => x.Abs(), Math.Abs),
        Unary("Cos", x => x.Cos(), Math.Cos),
        Unary("Sin", x => x.Sin(), Math.Sin),
        Unary("Tanh", x => x.Tanh(), Math.Tanh),
        Unary("Sigmoid", x => x.Sigmoid(), Logistic),
        Unary("LogSigmoid", x => x.LogSigmoid(), x => Math.Log(Logistic(x))),
        Unary("Softplus", x => x.Softplus(), x => Math.Log(1 + Math.Exp(x))),
        Unary("Relu", x => x.Relu(), x => Math.Max(x, 0)),
        Unary("Silu", x => x.Silu(), x => x * Logistic(x)),
        Unary("Gelu", x => x.Gelu(), x => x * (1 + Erf(x / Math.Sqrt(2))) / 2),
        Unary("Gelu tanh", x => x.Gelu(tanh: true), x => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))),
        Unary("Clamp", x => x.Clamp(-1, 0.5), x => Math.Clamp(x, -1, 0.5)),
        Unary("Clamp below", x => x.Clamp(min: 0.25), x => Math.Max(x, 0.25)),
        Unary("Clamp above", x => x.Clamp(max: 0.25), x => Math.Min(x, 0.25)),
        Unary("Clone", x => x.Clone(), x => x),
        Unary("To dtype", x => x.To(ScalarType.Float64), x => x),
        Unary("To device", x => x.To(Device.Cpu), x => x),
    ];

    private static double Logistic(double x) => 1 / (1 + Math.Exp(-x));

    private static double Erf(double x)
    {
        // Maclaurin series: exact to double precision for the |x| < 2 used here.
        var (sum, power) = (0.0, x);
        for (var n = 0; n < 60; n++)
        {
            sum += power / (2 * n + 1);
            power *= -x * x / (n + 1);
        }

        return sum * 2 / Math.Sqrt(Math.PI);
    }

    private static double Dot(long length, Func<long, double> term)
    {
        var sum = 0.0;
        for (var k = 0L; k < length; k++)
            sum += term(k);
        return sum;
    }

    private static Nd Product(Nd a, Nd b)
    {
        var (n, depth, m) = (a.Shape[^2], a.Shape[^1], b.Shape[^1]);
        var leading = Nd.Zip(
            Nd.Build([.. a.Shape[..^2], 1, 1], _ => 0), Nd.Build([.. b.Shape[..^2], 1, 1], _ => 0), (x, _) => x).Shape[..^2];
        return Nd.Build(
            [.. leading, n, m],
            i => Dot(depth, k => a.Broadcast([.. i[..^1], k]) * b.Broadcast([.. i[..^2], k, i[^1]])));
    }
}

namespace StreamRec.Torch.Tests;

/// <summary>Views, joining, indexing and operations in place.</summary>
public static partial class OperatorCases
{
    private static readonly long[] Picked = [2, 0, 2];

    private static Tensor Pick => Tensor.From(Picked);

    // Row i of the mask is true where (i + j) is even.
    private static Tensor Checkers => Tensor.From([true, false, true, false, false, true, false, true, true, false, true, false], 3, 4);

    private static Tensor Places => Tensor.From([1L, 0, 3, 2, 2, 3], 3, 2);

    private static long PlaceOf(long i, long j) => new long[,] { { 1, 0 }, { 3, 2 }, { 2, 3 } }[i, j];

    private static bool IsChecked(long[] i) => (i[0] + i[1]) % 2 == 0;

    private static IEnumerable<OperatorCase> Shapes() =>
    [
        new("T", x => x[0].T, x => Nd.Build([2, 4, 3], i => x[0][i[0], i[2], i[1]]), [2, 3, 4]),
        new("T of a vector", x => x[0].T, x => x[0], Row),
        new("Transpose", x => x[0].Transpose(0, -1), x => Nd.Build([4, 3, 2], i => x[0][i[2], i[1], i[0]]), [2, 3, 4]),
        new("Permute", x => x[0].Permute(2, 0, 1), x => Nd.Build([4, 2, 3], i => x[0][i[1], i[2], i[0]]), [2, 3, 4]),
        One("View", x => x.View(2, -1), x => Nd.From(x.Data, 2, 6)),
        One("Reshape", x => x.T.Reshape(2, 6), x => Nd.Build([2, 6], i => x[(i[0] * 6 + i[1]) % 3, (i[0] * 6 + i[1]) / 3])),
        One("Contiguous", x => x.T.Contiguous(), x => Nd.Build([4, 3], i => x[i[1], i[0]])),
        One("Unsqueeze", x => x.Unsqueeze(1), x => Nd.From(x.Data, 3, 1, 4)),
        new("Squeeze", x => x[0].Squeeze(), x => Nd.From(x[0].Data, 3, 4), [3, 1, 4, 1]),
        new("Squeeze dim", x => x[0].Squeeze(1), x => Nd.From(x[0].Data, 3, 4, 1), [3, 1, 4, 1]),
        new("Expand", x => x[0].Expand(2, 3, -1), x => Nd.Build([2, 3, 4], i => x[0][i[1], i[2]]), [3, 4]),
        new("Expand of size 1", x => x[0].Expand(3, 4), x => Nd.Build([3, 4], i => x[0][i[0], 0]), [3, 1]),
        One("Narrow", x => x.Narrow(1, 1, 2), x => Nd.Build([3, 2], i => x[i[0], i[1] + 1])),
        One("Select", x => x.Select(0, -1), x => Nd.Build([4], i => x[2, i[0]])),
        One("Tril", x => x.Tril(), x => Nd.Build([3, 4], i => i[1] <= i[0] ? x[i] : 0)),
        One("Triu", x => x.Triu(1), x => Nd.Build([3, 4], i => i[1] >= i[0] + 1 ? x[i] : 0)),
        new("Cat", x => Tensor.Cat([x[0], x[1]], 1), x => Nd.Build([3, 6], i => i[1] < 4 ? x[0][i] : x[1][i[0], i[1] - 4]), [3, 4], [3, 2]),
        new("Stack", x => Tensor.Stack([x[0], x[1]]), x => Nd.Build([2, 3, 4], i => x[i[0]][i[1], i[2]]), [3, 4], [3, 4]),
    ];

    private static IEnumerable<OperatorCase> Indexing() =>
    [
        One("IndexSelect", x => x.IndexSelect(0, Pick), x => Nd.Build([3, 4], i => x[Picked[i[0]], i[1]])),
        One("IndexSelect dim 1", x => x.IndexSelect(1, Pick), x => Nd.Build([3, 3], i => x[i[0], Picked[i[1]]])),
        One("rows by index", x => x[Tensor.From([0L, 2, -1, 1], 2, 2)], x => Nd.Build([2, 2, 4], i => x[new long[] { 0, 2, 2, 1 }[i[0] * 2 + i[1]], i[2]])),
        One("rows by mask", x => x[Tensor.From([true, false, true])], x => Nd.Build([2, 4], i => x[2 * i[0], i[1]])),
        One("elements by mask", x => x[Checkers], x => CheckedOf(x)),
        One("MaskedSelect", x => x.MaskedSelect(Checkers), x => CheckedOf(x)),
        One("Gather", x => x.Gather(1, Places), x => Nd.Build([3, 2], i => x[i[0], PlaceOf(i[0], i[1])])),
        One("MaskedFill", x => x.MaskedFill(Checkers, -7), x => Nd.Build([3, 4], i => IsChecked(i) ? -7 : x[i])),
        new("Where", x => Tensor.Where(Checkers, x[0], x[1]), x => Nd.Build([3, 4], i => IsChecked(i) ? x[0][i] : x[1][i[1]]), [3, 4], [4]),
        One("Where number", x => Tensor.Where(Checkers, x, 2.5), x => Nd.Build([3, 4], i => IsChecked(i) ? x[i] : 2.5)),
        new("Scatter_", x => x[0].Clone().Scatter_(1, Places, x[1]), x => Scattered(x[0], x[1], (_, b) => b), [3, 4], [3, 2]),
        One("Scatter_ number", x => x.Clone().Scatter_(1, Places, 9), x => Scattered(x, Nd.Build([3, 2], _ => 9), (_, b) => b)),
        new("ScatterAdd_", x => x[0].Clone().ScatterAdd_(1, Places, x[1]), x => Scattered(x[0], x[1], (a, b) => a + b), [3, 4], [3, 2]),
        new("IndexAdd_", x => x[0].Clone().IndexAdd_(0, Pick, x[1]), x => Nd.Build([3, 4], i => x[0][i] + Dot(3, k => Picked[k] == i[0] ? x[1][k, i[1]] : 0)), [3, 4], [3, 4]),
        new("IndexCopy_", x => x[0].Clone().IndexCopy_(0, Tensor.From([2L, 0]), x[1]), x => Nd.Build([3, 4], i => i[0] == 1 ? x[0][i] : x[1][i[0] == 2 ? 0 : 1, i[1]]), [3, 4], [2, 4]),
        One("IndexFill_", x => x.Clone().IndexFill_(1, Tensor.From([1L, 3]), 5), x => Nd.Build([3, 4], i => i[1] % 2 == 1 ? 5 : x[i])),
        One("MaskedFill_", x => x.Clone().MaskedFill_(Checkers, 4), x => Nd.Build([3, 4], i => IsChecked(i) ? 4 : x[i])),
    ];

    private static IEnumerable<OperatorCase> InPlace() =>
    [
        Binary("Add_", (a, b) => a.Clone().Add_(b), (a, b) => a + b),
        Binary("Sub_", (a, b) => a.Clone().Sub_(b), (a, b) => a - b),
        Binary("Mul_", (a, b) => a.Clone().Mul_(b), (a, b) => a * b),
        Binary("Div_", (a, b) => a.Clone().Div_(b), (a, b) => a / b, 0.5),
        Unary("Add_ number", x => x.Clone().Add_(3), x => x + 3),
        Unary("Sub_ number", x => x.Clone().Sub_(3), x => x - 3),
        Unary("Mul_ number", x => x.Clone().Mul_(3), x => x * 3),
        Unary("Div_ number", x => x.Clone().Div_(2), x => x / 2),
        Unary("Clamp_", x => x.Clone().Clamp_(-1, 1), x => Math.Clamp(x, -1, 1)),
        Unary("Clamp_ below", x => x.Clone().Clamp_(min: 0), x => Math.Max(x, 0)),
        Unary("Clamp_ above", x => x.Clone().Clamp_(max: 0), x => Math.Min(x, 0)),
        Unary("Fill_", x => x.Clone().Fill_(1.25), _ => 1.25),
        Unary("Zero_", x => x.Clone().Zero_(), _ => 0),
        Binary("CopyFrom_", (a, b) => a.Clone().CopyFrom_(b), (_, b) => b),
    ];

    private static Nd CheckedOf(Nd x) => Nd.Build([6], i => x[i[0] / 2, i[0] % 2 * 2 + i[0] / 2 % 2]);

    private static Nd Scattered(Nd x, Nd source, Func<double, double, double> place) => Nd.Build(
        [3, 4],
        i =>
        {
            var value = x[i];
            for (var j = 0; j < 2; j++)
                value = PlaceOf(i[0], j) == i[1] ? place(value, source[i[0], j]) : value;
            return value;
        });
}

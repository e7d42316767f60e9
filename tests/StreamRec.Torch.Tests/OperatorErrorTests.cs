namespace StreamRec.Torch.Tests;

public sealed class OperatorErrorTests
{
    private static readonly Dictionary<string, (Action<Tensor> Act, string Message)> Cases = new()
    {
        ["+"] = (x => _ = x + Ones(5), "must match the size"),
        ["-"] = (x => _ = x - Ones(5), "must match the size"),
        ["*"] = (x => _ = x * Ones(5), "must match the size"),
        ["/"] = (x => _ = x / Ones(5), "must match the size"),
        ["MatMul"] = (x => x.MatMul(Ones(5, 2)), "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x2)"),
        ["Bmm"] = (x => x.Bmm(x), "must be a 3D tensor"),
        ["Transpose"] = (x => x.Transpose(0, 2), "Dimension out of range"),
        ["Permute"] = (x => x.Permute(0), "number of dim"),
        ["View"] = (x => x.View(5, -1), "is invalid for input of size 12"),
        ["View of a transposed tensor"] = (x => x.T.View(12), "view size is not compatible"),
        ["Reshape"] = (x => x.Reshape(7), "is invalid for input of size 12"),
        ["Unsqueeze"] = (x => x.Unsqueeze(4), "Dimension out of range"),
        ["Squeeze"] = (x => x.Squeeze(2), "Dimension out of range"),
        ["Expand"] = (x => x.Expand(3, 5), "expanded size"),
        ["Narrow"] = (x => x.Narrow(1, 3, 2), "exceeds dimension size"),
        ["Select"] = (x => x.Select(1, 4), "out of range"),
        ["Tril"] = (_ => Ones(3).Tril(), "dimension"),
        ["Triu"] = (_ => Ones(3).Triu(), "dimension"),
        ["Cat"] = (x => Tensor.Cat([x, Ones(2, 5)]), "Sizes of tensors must match"),
        ["Cat of nothing"] = (_ => Tensor.Cat([]), "non-empty"),
        ["Stack"] = (x => Tensor.Stack([x, Ones(3)]), "equal size"),
        ["IndexSelect"] = (x => x.IndexSelect(0, Tensor.From([3L])), "out of range"),
        ["rows by index"] = (x => _ = x[Tensor.From([3L])], "out of bounds"),
        ["rows by mask"] = (x => _ = x[Tensor.From([true, false])], "does not match the shape of the indexed tensor"),
        ["Gather"] = (x => x.Gather(1, Tensor.From([4L], 1, 1)), "out of bounds"),
        ["MaskedFill"] = (x => x.MaskedFill(Tensor.From([true, false]), 0), "must match the size"),
        ["MaskedFill_"] = (x => x.MaskedFill_(Tensor.From([true, false]), 0), "must match the size"),
        ["MaskedSelect"] = (x => x.MaskedSelect(Tensor.From([true, false])), "must match the size"),
        ["Where"] = (x => Tensor.Where(x.Gt(0), x, Ones(5)), "must match the size"),
        ["Scatter_"] = (x => x.Scatter_(0, Tensor.From([0L], 1, 1), Ones(1)), "dimension"),
        ["Scatter_ number"] = (x => x.Scatter_(1, Tensor.From([9L], 1, 1), 1), "out of bounds"),
        ["ScatterAdd_"] = (x => x.ScatterAdd_(1, Tensor.From([9L], 1, 1), Ones(1, 1)), "out of bounds"),
        ["IndexAdd_"] = (x => x.IndexAdd_(0, Tensor.From([0L, 1]), Ones(1, 4)), "Number of indices"),
        ["IndexCopy_"] = (x => x.IndexCopy_(0, Tensor.From([0L, 1]), Ones(1, 4)), "Number of indices"),
        ["IndexFill_"] = (x => x.IndexFill_(0, Tensor.From([5L]), 1), "out of"),
        ["Softmax"] = (x => x.Softmax(2), "Dimension out of range"),
        ["LogSoftmax"] = (x => x.LogSoftmax(2), "Dimension out of range"),
        ["Sum"] = (x => x.Sum(2), "Dimension out of range"),
        ["Mean"] = (x => x.Mean(2), "Dimension out of range"),
        ["Mean of integers"] = (_ => Tensor.Arange(3).Mean(), "mean(): could not infer output dtype"),
        ["Max"] = (x => x.Max(2), "Dimension out of range"),
        ["Min"] = (x => x.Min(2), "Dimension out of range"),
        ["Max of nothing"] = (_ => Tensor.Empty([0]).Max(), "numel() == 0"),
        ["ArgMax"] = (x => x.ArgMax(2), "Dimension out of range"),
        ["All"] = (x => x.All(2), "Dimension out of range"),
        ["Any"] = (x => x.Any(2), "Dimension out of range"),
        ["TopK"] = (x => x.TopK(5), "selected index k out of range"),
        ["CumSum"] = (x => x.CumSum(2), "Dimension out of range"),
        ["Clamp"] = (x => x.Clamp(), "clamp needs a lower or an upper bound"),
        ["Clamp_"] = (x => x.Clamp_(), "clamp_ needs a lower or an upper bound"),
        ["Eq"] = (x => x.Eq(Ones(5)), "must match the size"),
        ["Ne"] = (x => x.Ne(Ones(5)), "must match the size"),
        ["Lt"] = (x => x.Lt(Ones(5)), "must match the size"),
        ["Le"] = (x => x.Le(Ones(5)), "must match the size"),
        ["Gt"] = (x => x.Gt(Ones(5)), "must match the size"),
        ["Ge"] = (x => x.Ge(Ones(5)), "must match the size"),
        ["LogicalAnd"] = (x => x.LogicalAnd(Ones(5)), "must match the size"),
        ["LogicalOr"] = (x => x.LogicalOr(Ones(5)), "must match the size"),
        ["Add_"] = (x => x.Add_(Ones(2, 3, 4)), "doesn't match the broadcast shape"),
        ["Sub_"] = (x => x.Sub_(Ones(2, 3, 4)), "doesn't match the broadcast shape"),
        ["Mul_"] = (x => x.Mul_(Ones(2, 3, 4)), "doesn't match the broadcast shape"),
        ["Div_"] = (x => x.Div_(Ones(2, 3, 4)), "doesn't match the broadcast shape"),
        ["CopyFrom_"] = (x => x.CopyFrom_(Ones(5)), "must match the size"),
        ["Normal_"] = (x => x.Normal_(0, -1), "std"),
        ["Uniform_"] = (x => x.Uniform_(1, 0), "from"),
        ["Linear"] = (x => Functional.Linear(x, Ones(2, 5)), "cannot be multiplied"),
        ["Embedding"] = (x => Functional.Embedding(x, Tensor.From([3L])), "out of range"),
        ["Embedding by float"] = (x => Functional.Embedding(x, x), "scalar types"),
        ["LayerNorm"] = (x => Functional.LayerNorm(x, Ones(3), null), "normalized_shape"),
        ["Dropout"] = (x => Functional.Dropout(x, 2, training: true), "dropout probability has to be between 0 and 1"),
        ["CrossEntropy"] = (x => Functional.CrossEntropy(x, Tensor.From([1L])), "batch_size"),
        ["CrossEntropy of a class that is none"] = (x => Functional.CrossEntropy(x, Tensor.From([1L, 2, 4])), "out of bounds"),
        ["NllLoss"] = (x => Functional.NllLoss(x, Tensor.From([1L])), "batch_size"),
        ["BinaryCrossEntropyWithLogits"] = (x => Functional.BinaryCrossEntropyWithLogits(x, Ones(5)), "must match the size"),
        ["AddMm"] = (x => Functional.AddMm(x, x, x), "cannot be multiplied"),
        ["Zeros"] = (_ => Tensor.Zeros([-1]), "negative dimension"),
        ["Arange"] = (_ => Tensor.Arange(5, 1, 1), "inconsistent with step sign"),
        ["RandInt"] = (_ => Tensor.RandInt(3, 3, [1]), "expects 'from' to be less than 'to'"),
        ["From"] = (_ => Tensor.From([1f, 2], 3), "shape [3] holds 3 elements but 2 were given"),
        ["Size"] = (x => x.Size(2), "Dimension out of range"),
        ["Item"] = (x => x.Item<float>(), "a Tensor with 12 elements cannot be converted to Scalar"),
        ["CopyTo"] = (x => x.CopyTo<float>(new float[5]), "the tensor has 48 bytes, the destination 20"),
        ["Data of a transposed tensor"] = (x => x.T.Data<float>(), "not contiguous"),
        ["Backward of many"] = (x => LeafOf(x).Mul_(1).Backward(), "can be implicitly created only for scalar outputs"),
        ["Backward without history"] = (x => x.Sum().Backward(), "does not require grad"),
        ["RequiresGrad of integers"] = (_ => Tensor.Arange(3).RequiresGrad = true, "nly Tensors of floating point"),
        ["in place on a leaf"] = (x => RequireGrad(x).Add_(1), "a leaf Variable that requires grad"),
        ["Grad of another shape"] = (x => x.Grad = Ones(5), "a gradient must have its tensor's shape, dtype and device"),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_refusal_carries_the_words_of_libtorch_and_no_stack(string name)
    {
        var (act, message) = Cases[name];
        using var scope = TensorScope.Enter();
        var x = Tensor.Ones([3, 4]);

        var exception = Assert.Throws<TorchException>(() => act(x));

        Assert.Contains(message, exception.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("Exception raised from", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("frame #", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_works_after_an_operation_on_it_was_refused()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.Ones([2]);
        Assert.Throws<TorchException>(() => x + Tensor.Ones([3]));

        Assert.Equal([2f, 2], (x + x).ToArray<float>());
    }

    private static Tensor Ones(params long[] shape) => Tensor.Ones(shape);

    private static Tensor LeafOf(Tensor x) => RequireGrad(x) * 1;

    private static Tensor RequireGrad(Tensor x)
    {
        x.RequiresGrad = true;
        return x;
    }
}

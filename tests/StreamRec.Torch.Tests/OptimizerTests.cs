namespace StreamRec.Torch.Tests;

public sealed class OptimizerTests
{
    public enum Layout
    {
        Fused,
        Wide,
        Strided,
    }

    [Theory]
    [InlineData(false, 0, Layout.Fused)]
    [InlineData(false, 0.1, Layout.Fused)]
    [InlineData(true, 0.1, Layout.Fused)]
    [InlineData(false, 0, Layout.Wide)]
    [InlineData(false, 0.1, Layout.Wide)]
    [InlineData(true, 0.1, Layout.Wide)]
    [InlineData(false, 0.1, Layout.Strided)]
    [InlineData(true, 0.1, Layout.Strided)]
    public void Five_steps_give_what_the_papers_formula_gives(bool decoupled, double weightDecay, Layout layout)
    {
        using var scope = TensorScope.Enter();
        var dtype = layout == Layout.Wide ? ScalarType.Float64 : ScalarType.Float32;
        var start = Nd.Random([3, 5], -1, 1, 3);
        var parameter = Tensor.From(start.Data, 3, 5).To(dtype);
        if (layout == Layout.Strided)
            parameter = parameter.T.Contiguous().T;
        using Optimizer optimizer = decoupled
            ? new AdamW([parameter], 0.05, 0.8, 0.95, 1e-6, weightDecay)
            : new Adam([parameter], 0.05, 0.8, 0.95, 1e-6, weightDecay);
        var reference = new Reference(start.Data, decoupled, weightDecay);

        for (var step = 0; step < 5; step++)
        {
            var gradient = Nd.Random([3, 5], -1, 1, 100 + step);
            parameter.Grad = Tensor.From(gradient.Data, 3, 5).To(dtype);
            optimizer.Step();
            reference.Step(gradient.Data);
        }

        var tolerance = layout == Layout.Wide ? 1e-12 : 2e-6;
        Assert.All(
            parameter.To(ScalarType.Float64).ToArray<double>().Zip(reference.Parameter),
            pair => Assert.InRange(pair.First - pair.Second, -tolerance, tolerance));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 0.1)]
    [InlineData(true, 0.1)]
    public void A_table_stepped_by_rows_is_bit_for_bit_the_one_stepped_as_a_whole(bool decoupled, double weightDecay)
    {
        using var scope = TensorScope.Enter();
        var start = Tensor.From([.. Nd.Random([7, 19], -1, 1, 4).Data.Select(x => (float)x)], 7, 19);
        var (whole, byRows) = (start.Clone(), start.Clone());
        using var first = Make(whole);
        using var second = Make(byRows);
        second.StepByRows(byRows);
        var random = new Random(5);
        for (var step = 0; step < 40; step++)
        {
            first.LearningRate = second.LearningRate = 0.01 * (1 + (step % 5));
            long[] rows = [random.NextInt64(6), random.NextInt64(6)];
            var gradient = Tensor.Zeros([7, 19]);
            gradient.IndexAdd_(0, Tensor.From(rows), Tensor.From([.. Nd.Random([2, 19], -1, 1, step).Data.Select(x => (float)x)], 2, 19));
            whole.Grad = gradient;
            second.Prepare(byRows, rows);
            Assert.Equal(whole.IndexSelect(0, Tensor.From(rows)).ToArray<float>(), byRows.IndexSelect(0, Tensor.From(rows)).ToArray<float>());
            byRows.Grad = gradient.Clone();
            first.Step();
            second.Step();
            if (step == 20)
                second.CatchUp();
        }

        second.CatchUp();

        Assert.Equal(whole.ToArray<float>(), byRows.ToArray<float>());
        foreach (var (name, tensor) in first.StateDict().Where(pair => !pair.Key.StartsWith("step", StringComparison.Ordinal)))
            Assert.Equal(tensor.ToArray<float>(), second.StateDict()[name].ToArray<float>());

        Optimizer Make(Tensor table) => decoupled ? new AdamW([table], weightDecay: weightDecay) : new Adam([table], weightDecay: weightDecay);
    }

    [Fact]
    public void A_mean_of_weights_stands_in_for_them_and_gives_them_back()
    {
        using var scope = TensorScope.Enter();
        var parameter = Tensor.Zeros([2]);
        using var average = new WeightAverage([("p", parameter)], 0.5);
        parameter.Fill_(1);
        average.Update();
        parameter.Fill_(3);
        average.Update();

        average.Enter();
        // The past weighs 2/11, then 3/12.
        Assert.Equal((0.25 * 9 / 11) + (0.75 * 3), parameter.ToArray<float>()[0], 1e-6);
        average.Leave();

        Assert.Equal([3f, 3], parameter.ToArray<float>());
    }

    [Fact]
    public void A_parameter_without_a_gradient_stays_as_it_is()
    {
        using var scope = TensorScope.Enter();
        var (moved, still) = (Tensor.Ones([2]), Tensor.Ones([2]));
        using var optimizer = new AdamW([moved, still], 0.1);
        moved.Grad = Tensor.Ones([2]);

        optimizer.Step();

        Assert.Equal([1f, 1], still.ToArray<float>());
        Assert.NotEqual(1, moved.ToArray<float>()[0]);
        Assert.Equal(0, optimizer.StateDict()["step.1"].Item<long>());
        Assert.Equal(1, optimizer.StateDict()["step.0"].Item<long>());
    }

    [Fact]
    public void A_tied_parameter_is_stepped_once()
    {
        using var scope = TensorScope.Enter();
        var tied = Tensor.Ones([2]);
        using var optimizer = new Adam([("a", tied), ("b", tied)], 0.1);
        tied.Grad = Tensor.Ones([2]);

        optimizer.Step();

        Assert.All(tied.ToArray<float>(), x => Assert.InRange(x, 0.8999f, 0.9001f));
        Assert.Equal(["exp_avg.a", "exp_avg_sq.a", "step.a"], optimizer.StateDict().Keys);
    }

    [Fact]
    public void State_carried_over_continues_as_if_there_had_been_no_break()
    {
        using var scope = TensorScope.Enter();
        var (whole, broken) = (Tensor.Ones([4]), Tensor.Ones([4]));
        using var through = new Adam([whole], 0.1);
        using var before = new Adam([broken], 0.1);
        using var after = new Adam([broken], 0.1);
        Step(through, whole, 1);
        Step(before, broken, 1);

        after.LoadStateDict(before.StateDict());
        Step(through, whole, -0.5);
        Step(after, broken, -0.5);

        Assert.Equal(whole.ToArray<float>(), broken.ToArray<float>());

        static void Step(Adam optimizer, Tensor parameter, double gradient)
        {
            parameter.Grad = Tensor.Full([4], gradient);
            optimizer.Step();
        }
    }

    [Fact]
    public void State_of_another_shape_is_refused_with_both_shapes()
    {
        using var scope = TensorScope.Enter();
        using var optimizer = new Adam([Tensor.Ones([4])]);
        using var other = new Adam([Tensor.Ones([5])]);

        var exception = Assert.Throws<ArgumentException>(() => optimizer.LoadStateDict(other.StateDict()));

        Assert.Equal("Optimiser state exp_avg.0 has shape [5]; it must be [4].", exception.Message);
    }

    [Fact]
    public void Zeroing_drops_the_gradients()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.Ones([2]);
        x.Grad = Tensor.Ones([2]);
        using var optimizer = new Adam([x]);

        optimizer.ZeroGrad();

        Assert.Null(x.Grad);
    }

    [Fact]
    public void Clipping_scales_all_gradients_to_the_norm_and_returns_the_former()
    {
        using var scope = TensorScope.Enter();
        var (a, b, none) = (Tensor.Zeros([1]), Tensor.Zeros([1], ScalarType.Float64), Tensor.Zeros([1]));
        a.Grad = Tensor.From([3f]);
        b.Grad = Tensor.From([4.0]);

        Assert.Equal(5, GradientClip.ByNorm([a, b, none, a], 1), 6);
        Assert.Equal(0.6, a.Grad!.Item<double>(), 5);
        Assert.Equal(0.8, b.Grad!.Item<double>(), 5);
        Assert.Equal(1, GradientClip.ByNorm([a, b], 10), 5);
        Assert.Equal(0.8, b.Grad!.Item<double>(), 5);
        b.Grad.Fill_(double.NaN);
        Assert.True(double.IsNaN(GradientClip.ByNorm([a, b], 1)));
    }

    /// <summary>Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2, with the decay times the learning rate.</summary>
    private sealed class Reference(double[] start, bool decoupled, double weightDecay)
    {
        private const double Rate = 0.05, Beta1 = 0.8, Beta2 = 0.95, Eps = 1e-6;
        private readonly double[] _first = new double[start.Length];
        private readonly double[] _second = new double[start.Length];
        private int _step;

        public double[] Parameter { get; } = (double[])start.Clone();

        public void Step(double[] gradient)
        {
            _step++;
            for (var i = 0; i < gradient.Length; i++)
            {
                var g = gradient[i] + (decoupled ? 0 : weightDecay * Parameter[i]);
                _first[i] = Beta1 * _first[i] + (1 - Beta1) * g;
                _second[i] = Beta2 * _second[i] + (1 - Beta2) * g * g;
                var first = _first[i] / (1 - Math.Pow(Beta1, _step));
                var second = _second[i] / (1 - Math.Pow(Beta2, _step));
                Parameter[i] -= Rate * first / (Math.Sqrt(second) + Eps) + (decoupled ? Rate * weightDecay * Parameter[i] : 0);
            }
        }
    }
}

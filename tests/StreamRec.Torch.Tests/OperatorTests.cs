namespace StreamRec.Torch.Tests;

public sealed class OperatorTests
{
    public static TheoryData<string> Names => [.. OperatorCases.All.Keys];

    public static TheoryData<string> DifferentiableNames =>
        [.. OperatorCases.All.Values.Where(item => item.Differentiable).Select(item => item.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void An_operator_gives_what_plain_arithmetic_gives(string name)
    {
        var item = OperatorCases.All[name];
        var inputs = item.Inputs();
        var expected = item.Reference(inputs);
        using var scope = TensorScope.Enter();

        var actual = item.Function([.. inputs.Select(Leaf)]);

        Assert.Equal(expected.Shape, actual.Shape);
        AssertClose(expected.Data, actual.ToArray<double>(), 1e-12);
    }

    [Theory]
    [MemberData(nameof(DifferentiableNames))]
    public void A_gradient_is_the_slope_that_a_small_step_shows(string name)
    {
        var item = OperatorCases.All[name];
        var inputs = item.Inputs();
        using var scope = TensorScope.Enter();
        var leaves = inputs.Select(Leaf).ToArray();
        foreach (var leaf in leaves)
            leaf.RequiresGrad = true;
        var result = item.Function(leaves);
        // Different weights for the elements, so that a gradient sent to the wrong one shows.
        var weights = Leaf(Nd.Random(result.Shape, 0.5, 1.5, 1));

        if (result.RequiresGrad)
            (result * weights).Sum().Backward();

        foreach (var (input, leaf) in inputs.Zip(leaves))
        {
            var slopes = new double[input.Data.Length];
            for (var j = 0; j < slopes.Length; j++)
                slopes[j] = Slope(item, inputs, input, j, weights);
            AssertClose(slopes, leaf.Grad?.ToArray<double>() ?? new double[slopes.Length], 1e-7);
        }
    }

    // Central difference: the error is h^2 from the third derivative plus about 1e-16 / h from rounding.
    private static double Slope(OperatorCase item, Nd[] inputs, Nd input, int element, Tensor weights)
    {
        const double H = 1e-5;
        using var scope = TensorScope.Enter();
        var value = input.Data[element];
        double At(double x)
        {
            input.Data[element] = x;
            return (item.Function([.. inputs.Select(Leaf)]) * weights).Sum().Item<double>();
        }

        var slope = (At(value + H) - At(value - H)) / (2 * H);
        input.Data[element] = value;
        return slope;
    }

    private static Tensor Leaf(Nd x) => Tensor.From(x.Data, x.Shape).View(x.Shape);

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])),
                $"Element {i} is {actual[i]}; it must be {expected[i]}.");
    }
}

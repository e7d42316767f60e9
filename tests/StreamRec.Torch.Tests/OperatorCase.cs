namespace StreamRec.Torch.Tests;

/// <summary>One operator with an independent computation of what it has to give.</summary>
/// <param name="Name">Name of the row.</param>
/// <param name="Function">The operator on float64 inputs; the result is of a floating type.</param>
/// <param name="Reference">The same in plain C#.</param>
/// <param name="Shapes">Shapes of the inputs.</param>
public sealed record OperatorCase(string Name, Func<Tensor[], Tensor> Function, Func<Nd[], Nd> Reference, params long[][] Shapes)
{
    /// <summary>Inputs are drawn from [Low, High).</summary>
    public double Low { get; init; } = -2;

    public double High { get; init; } = 2;

    /// <summary>False for results such as comparisons, which have no gradient.</summary>
    public bool Differentiable { get; init; } = true;

    public Nd[] Inputs() => [.. Shapes.Select((shape, i) => Nd.Random(shape, Low, High, 17 * i + Name.Sum(c => c)))];
}

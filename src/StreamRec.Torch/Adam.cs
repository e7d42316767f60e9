namespace StreamRec.Torch;

/// <summary>Adam (Kingma and Ba, ICLR 2015, algorithm 1); weight decay is added to the gradient, as in PyTorch.</summary>
public sealed class Adam : Optimizer
{
    /// <param name="parameters">
    /// Names are used by <see cref="Optimizer.StateDict"/> only; a tensor that comes twice counts once.
    /// </param>
    /// <param name="learningRate">Step size.</param>
    /// <param name="beta1">Decay of the mean of gradients, in [0, 1).</param>
    /// <param name="beta2">Decay of the mean of squared gradients, in [0, 1).</param>
    /// <param name="eps">Added to the denominator.</param>
    /// <param name="weightDecay">Pull towards 0.</param>
    public Adam(
        IEnumerable<(string Name, Tensor Parameter)> parameters,
        double learningRate = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double eps = 1e-8,
        double weightDecay = 0)
        : base(parameters, learningRate)
    {
        (Beta1, Beta2, Eps, WeightDecay) = (beta1, beta2, eps, weightDecay);
    }

    /// <summary>Parameters named by their position.</summary>
    public Adam(
        IEnumerable<Tensor> parameters,
        double learningRate = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double eps = 1e-8,
        double weightDecay = 0)
        : this(parameters.Select((parameter, i) => ($"{i}", parameter)), learningRate, beta1, beta2, eps, weightDecay)
    {
    }

    private protected override bool Decoupled => false;
}

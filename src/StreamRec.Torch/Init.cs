using System.Diagnostics.CodeAnalysis;

namespace StreamRec.Torch;

/// <summary>Initial values of parameters, drawn from the thread's <see cref="TorchRandom"/>; each fills the tensor and returns it.</summary>
[SuppressMessage("Naming", "CA1707:Identifiers should not contain underscores", Justification = "PyTorch's mark of an in-place operation.")]
public static class Init
{
    /// <summary>Normal with this mean and deviation.</summary>
    public static Tensor Normal_(Tensor tensor, double mean = 0, double std = 1)
    {
        using var noGrad = NoGrad.Enter();
        return tensor.Normal_(mean, std);
    }

    /// <summary>Uniform in [from, to).</summary>
    public static Tensor Uniform_(Tensor tensor, double from = 0, double to = 1)
    {
        using var noGrad = NoGrad.Enter();
        return tensor.Uniform_(from, to);
    }

    /// <summary>All the same value.</summary>
    public static Tensor Constant_(Tensor tensor, double value)
    {
        using var noGrad = NoGrad.Enter();
        return tensor.Fill_(value);
    }

    /// <summary>Uniform within gain sqrt(6 / (in + out)) of 0 (Glorot and Bengio 2010).</summary>
    /// <param name="tensor"><c>[out, in]</c>.</param>
    /// <param name="gain">1 for linear units.</param>
    public static Tensor XavierUniform_(Tensor tensor, double gain = 1)
    {
        var bound = gain * Math.Sqrt(6.0 / (tensor.Size(0) + tensor.Size(1)));
        return Uniform_(tensor, -bound, bound);
    }

    /// <summary>Uniform within sqrt(6 / ((1 + a^2) in)) of 0 (He et al. 2015).</summary>
    /// <param name="tensor"><c>[out, in]</c>.</param>
    /// <param name="a">Slope of the leaky rectifier that follows; PyTorch's linear layers use sqrt(5).</param>
    public static Tensor KaimingUniform_(Tensor tensor, double a = 0)
    {
        var bound = Math.Sqrt(6.0 / ((1 + a * a) * tensor.Size(1)));
        return Uniform_(tensor, -bound, bound);
    }
}

namespace StreamRec.Torch;

/// <summary>
/// Normalises the last dimension (Ba et al. 2016). Parameters <c>weight</c> [dim], ones, and <c>bias</c> [dim], zeros.
/// </summary>
public sealed class LayerNorm : Module
{
    public LayerNorm(long dim, double eps = 1e-5)
    {
        Eps = eps;
        Weight = RegisterParameter("weight", Tensor.Ones([dim]));
        Bias = RegisterParameter("bias", Tensor.Zeros([dim]));
    }

    /// <summary>float <c>[dim]</c>.</summary>
    public Tensor Weight { get; }

    /// <summary>float <c>[dim]</c>.</summary>
    public Tensor Bias { get; }

    /// <summary>Added to the variance.</summary>
    public double Eps { get; }

    /// <param name="x">float <c>[..., dim]</c>.</param>
    public Tensor Forward(Tensor x) => Functional.LayerNorm(x, Weight, Bias, Eps);
}

namespace StreamRec.Torch;

/// <summary>
/// x W^T + b. Parameters <c>weight</c> [out, in] and <c>bias</c> [out], initialised as in PyTorch: uniform within 1 /
/// sqrt(in).
/// </summary>
public sealed class Linear : Module
{
    /// <param name="inFeatures">Size of the input's last dimension.</param>
    /// <param name="outFeatures">Size of the output's.</param>
    /// <param name="bias">Whether there is one.</param>
    public Linear(long inFeatures, long outFeatures, bool bias = true)
    {
        Weight = RegisterParameter("weight", Init.KaimingUniform_(Tensor.Empty([outFeatures, inFeatures]), Math.Sqrt(5)));
        if (bias)
        {
            var bound = inFeatures > 0 ? 1 / Math.Sqrt(inFeatures) : 0;
            Bias = RegisterParameter("bias", Init.Uniform_(Tensor.Empty([outFeatures]), -bound, bound));
        }
    }

    /// <summary>float <c>[out, in]</c>.</summary>
    public Tensor Weight { get; }

    /// <summary>float <c>[out]</c>, or null.</summary>
    public Tensor? Bias { get; }

    /// <param name="x">float <c>[..., in]</c>.</param>
    /// <returns>float <c>[..., out]</c>.</returns>
    public Tensor Forward(Tensor x) => Functional.Linear(x, Weight, Bias);
}

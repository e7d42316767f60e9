namespace StreamRec.Torch;

/// <summary>How a loss over many elements becomes its result. The values are libtorch's.</summary>
public enum Reduction
{
    /// <summary>One loss for each element.</summary>
    None = 0,

    /// <summary>The mean over the elements that count.</summary>
    Mean = 1,

    /// <summary>The sum.</summary>
    Sum = 2,
}

/// <summary>
/// Operations that models are made of, without parameters of their own. Names and semantics of torch.nn.functional.
/// </summary>
public static class Functional
{
    /// <summary>x W^T + b.</summary>
    /// <param name="x"><c>[..., in]</c>.</param>
    /// <param name="weight"><c>[out, in]</c>.</param>
    /// <param name="bias"><c>[out]</c>, or null.</param>
    /// <returns><c>[..., out]</c>.</returns>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null)
    {
        var status = Native.sr_linear(
            x.Handle, weight.Handle, bias?.Handle ?? TensorHandle.None, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>Rows of a table.</summary>
    /// <param name="weight"><c>[V, H]</c>.</param>
    /// <param name="indices">int64 or int32 of any shape, in [0, V).</param>
    /// <returns><c>[..., H]</c>; its gradient is dense, <c>[V, H]</c>.</returns>
    public static Tensor Embedding(Tensor weight, Tensor indices) =>
        Native.Own(Native.sr_embedding(weight.Handle, indices.Handle, out var result, out var error), result, error);

    /// <summary>
    /// Each vector along the last dimension minus its mean, divided by its deviation, times weight plus bias (Ba et al.
    /// 2016).
    /// </summary>
    /// <param name="x"><c>[..., H]</c>.</param>
    /// <param name="weight"><c>[H]</c>, or null for 1.</param>
    /// <param name="bias"><c>[H]</c>, or null for 0.</param>
    /// <param name="eps">Added to the variance.</param>
    public static Tensor LayerNorm(Tensor x, Tensor? weight, Tensor? bias, double eps = 1e-5)
    {
        var status = Native.sr_layer_norm(
            x.Handle,
            weight?.Handle ?? TensorHandle.None,
            bias?.Handle ?? TensorHandle.None,
            eps,
            out var result,
            out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>In training, zero with probability p and otherwise scaled by 1 / (1 - p); else x.</summary>
    public static Tensor Dropout(Tensor x, double p, bool training) =>
        Native.Own(Native.sr_dropout(x.Handle, p, training ? 1 : 0, out var result, out var error), result, error);

    /// <summary>Cross-entropy of logits against classes.</summary>
    /// <param name="logits"><c>[N, C]</c> (or <c>[N, C, d]</c>), not normalised.</param>
    /// <param name="target">int64 <c>[N]</c> (or <c>[N, d]</c>) in [0, C), or <paramref name="ignoreIndex"/>.</param>
    /// <param name="ignoreIndex">Targets of this value do not count. When none counts, the mean is NaN.</param>
    /// <param name="labelSmoothing">Share of the target that is spread over all classes, in [0, 1].</param>
    /// <param name="reduction">Mean over the targets that count, by default.</param>
    public static Tensor CrossEntropy(
        Tensor logits,
        Tensor target,
        long ignoreIndex = -100,
        double labelSmoothing = 0,
        Reduction reduction = Reduction.Mean)
    {
        var status = Native.sr_cross_entropy(
            logits.Handle, target.Handle, (long)reduction, ignoreIndex, labelSmoothing, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>Minus the log-probability of the class; arguments as for <see cref="CrossEntropy"/>, after LogSoftmax.</summary>
    public static Tensor NllLoss(
        Tensor logProbabilities, Tensor target, long ignoreIndex = -100, Reduction reduction = Reduction.Mean)
    {
        var status = Native.sr_nll_loss(
            logProbabilities.Handle, target.Handle, (long)reduction, ignoreIndex, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>Cross-entropy of independent yes-or-no answers, computed from logits so that it is exact far from 0.</summary>
    /// <param name="logits">Any shape.</param>
    /// <param name="target">The same shape and type, in [0, 1].</param>
    /// <param name="reduction">Mean by default.</param>
    public static Tensor BinaryCrossEntropyWithLogits(Tensor logits, Tensor target, Reduction reduction = Reduction.Mean)
    {
        var status = Native.sr_bce_with_logits(
            logits.Handle, target.Handle, (long)reduction, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>beta x + alpha (a b).</summary>
    /// <param name="x">Broadcast to <c>[n, m]</c>.</param>
    /// <param name="a"><c>[n, k]</c>.</param>
    /// <param name="b"><c>[k, m]</c>.</param>
    /// <param name="beta">Factor of x.</param>
    /// <param name="alpha">Factor of the product.</param>
    public static Tensor AddMm(Tensor x, Tensor a, Tensor b, double beta = 1, double alpha = 1) => Native.Own(
        Native.sr_addmm(x.Handle, a.Handle, b.Handle, beta, alpha, out var result, out var error), result, error);
}

namespace StreamRec.Torch;

/// <summary>Keeps a step bounded.</summary>
public static class GradientClip
{
    /// <summary>
    /// Scales all gradients by one factor so that the norm over all of them together is at most <paramref
    /// name="maxNorm"/>.
    /// </summary>
    /// <returns>The norm before; not finite when a gradient is not, and then the gradients are of no use.</returns>
    public static double ByNorm(IEnumerable<Tensor> parameters, double maxNorm)
    {
        var distinct = parameters.Distinct().ToArray();
        using var handles = new TensorHandles(distinct);
        Native.Check(Native.sr_clip_grad_norm(handles.Native, distinct.Length, maxNorm, out var norm, out var error), error);
        return norm;
    }
}

namespace StreamRec.Torch;

/// <summary>
/// Losses of hidden states against a table of items, float32 on the CPU, with their gradients in the same pass: the
/// table's is added to its <see cref="Tensor.Grad"/>, that of the hidden states is returned, and no logits are kept.
/// </summary>
/// <remarks>Row 0 of the table is padding: never a target and not among the candidates.</remarks>
public static class TableLoss
{
    /// <summary>Mean cross-entropy of the softmax over all rows but row 0.</summary>
    /// <param name="hidden"><c>[N, d]</c>, N at least 1.</param>
    /// <param name="table">A leaf, <c>[rows, d]</c>.</param>
    /// <param name="targets">int64 <c>[N]</c>, rows from 1.</param>
    /// <param name="smoothing">Share of the target that is spread over all rows, in [0, 1).</param>
    /// <param name="gradient">Of the hidden states, <c>[N, d]</c>.</param>
    public static double Softmax(Tensor hidden, Tensor table, Tensor targets, double smoothing, out Tensor gradient)
    {
        var status = Native.sr_softmax_loss(
            hidden.Handle, table.Handle, targets.Handle, smoothing, out var loss, out var result, out var error);
        gradient = Native.Own(status, result, error);
        return loss;
    }

    /// <summary>
    /// Mean cross-entropy of the softmax over the target and a uniform sample of the other rows, in which each counts for
    /// all rows that it stands for: with all rows in the sample it is <see cref="Softmax"/>.
    /// </summary>
    /// <param name="hidden"><c>[N, d]</c>, N at least 1.</param>
    /// <param name="table">A leaf, <c>[rows, d]</c>.</param>
    /// <param name="targets">int64 <c>[N]</c>, rows from 1.</param>
    /// <param name="negatives">int64 <c>[S]</c>, S at least 1, rows from 1, none twice; one that is a position's target does not count there.</param>
    /// <param name="gradient">Of the hidden states, <c>[N, d]</c>.</param>
    public static double SampledSoftmax(Tensor hidden, Tensor table, Tensor targets, Tensor negatives, out Tensor gradient)
    {
        var status = Native.sr_sampled_softmax_loss(
            hidden.Handle, table.Handle, targets.Handle, negatives.Handle, out var loss, out var result, out var error);
        gradient = Native.Own(status, result, error);
        return loss;
    }

    /// <summary>Mean of -log σ(h·e⁺) - log(1 - σ(h·e⁻)).</summary>
    /// <param name="hidden"><c>[N, d]</c>, N at least 1.</param>
    /// <param name="table">A leaf, <c>[rows, d]</c>.</param>
    /// <param name="targets">int64 <c>[N]</c>, rows from 1.</param>
    /// <param name="negatives">int64 <c>[N]</c>, rows from 1.</param>
    /// <param name="gradient">Of the hidden states, <c>[N, d]</c>.</param>
    public static double BinaryCrossEntropy(Tensor hidden, Tensor table, Tensor targets, Tensor negatives, out Tensor gradient)
    {
        var status = Native.sr_binary_loss(
            hidden.Handle, table.Handle, targets.Handle, negatives.Handle, out var loss, out var result, out var error);
        gradient = Native.Own(status, result, error);
        return loss;
    }
}

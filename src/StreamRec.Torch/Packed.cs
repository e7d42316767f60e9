namespace StreamRec.Torch;

/// <summary>
/// Fused operations on sequences of different lengths that lie one after another without padding: float32 <c>[N, d]</c>
/// on the CPU, the rows from <c>offsets[b]</c> up to <c>offsets[b + 1]</c> are sequence b.
/// </summary>
/// <remarks>
/// Dropout draws from a hash of seed and place, not from libtorch's generator: the same seed drops the same elements on
/// any number of threads. Gradients equal those of the plain formulation within rounding.
/// </remarks>
public static class Packed
{
    /// <summary>Causal softmax attention within each sequence, scaled by 1 / sqrt(d / heads).</summary>
    /// <param name="q"><c>[M, d]</c>; a head is d / heads neighbouring columns.</param>
    /// <param name="k"><c>[N, d]</c>.</param>
    /// <param name="v"><c>[N, d]</c>.</param>
    /// <param name="offsets">int64 <c>[B + 1]</c>, from 0 to N.</param>
    /// <param name="slots">int64 <c>[M]</c>, rising: the rows of k that the queries stand at, each sees its sequence up to there.</param>
    /// <param name="heads">A divisor of d.</param>
    /// <param name="dropout">Probability with which a weight is dropped, in [0, 1).</param>
    /// <param name="seed">Of the dropout.</param>
    /// <returns><c>[M, d]</c>.</returns>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor offsets, Tensor slots, int heads, double dropout = 0, long seed = 0)
    {
        var status = Native.sr_packed_attention(
            q.Handle, k.Handle, v.Handle, offsets.Handle, slots.Handle, heads, dropout, seed, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>Softmax attention in which every query sees all keys of its sequence, scaled by 1 / sqrt(d / heads).</summary>
    /// <param name="q"><c>[M, d]</c>; a head is d / heads neighbouring columns.</param>
    /// <param name="k"><c>[N, d]</c>.</param>
    /// <param name="v"><c>[N, d]</c>.</param>
    /// <param name="queryOffsets">int64 <c>[B + 1]</c>, from 0 to M; a sequence that has queries has keys.</param>
    /// <param name="offsets">int64 <c>[B + 1]</c>, from 0 to N.</param>
    /// <param name="heads">A divisor of d.</param>
    /// <param name="dropout">Probability with which a weight is dropped, in [0, 1).</param>
    /// <param name="seed">Of the dropout.</param>
    /// <returns><c>[M, d]</c>.</returns>
    public static Tensor FullAttention(
        Tensor q, Tensor k, Tensor v, Tensor queryOffsets, Tensor offsets, int heads, double dropout = 0, long seed = 0)
    {
        var status = Native.sr_packed_full_attention(
            q.Handle, k.Handle, v.Handle, queryOffsets.Handle, offsets.Handle, heads, dropout, seed, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>Layer norm of x + dropout(y).</summary>
    /// <param name="x"><c>[N, d]</c>.</param>
    /// <param name="y"><c>[N, d]</c>.</param>
    /// <param name="norm">Of width d.</param>
    /// <param name="dropout">Probability with which an element of y is dropped, in [0, 1).</param>
    /// <param name="seed">Of the dropout.</param>
    public static Tensor ResidualNorm(Tensor x, Tensor y, LayerNorm norm, double dropout = 0, long seed = 0)
    {
        var status = Native.sr_residual_norm(
            x.Handle, y.Handle, norm.Weight.Handle, norm.Bias.Handle, norm.Eps, dropout, seed, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>For each token the sum of one row of every table, with dropout; records no history.</summary>
    /// <param name="tables">1 to 8 tables <c>[rows, d]</c>.</param>
    /// <param name="indices">int64 <c>[tables, N]</c>.</param>
    /// <param name="dropout">Probability with which an element of the sum is dropped, in [0, 1).</param>
    /// <param name="seed">Of the dropout.</param>
    /// <returns><c>[N, d]</c>; its gradient goes to <see cref="EmbeddingSumBackward"/>.</returns>
    public static Tensor EmbeddingSum(ReadOnlySpan<Tensor> tables, Tensor indices, double dropout = 0, long seed = 0)
    {
        using var handles = new TensorHandles(tables);
        var status = Native.sr_embedding_sum(
            handles.Native, tables.Length, indices.Handle, dropout, seed, out var result, out var error);
        return Native.Own(status, result, error);
    }

    /// <summary>Adds to the tables' gradients what <see cref="EmbeddingSum"/> with the same arguments owes them.</summary>
    /// <param name="tables">As there.</param>
    /// <param name="indices">As there.</param>
    /// <param name="gradient">Of the sum, <c>[N, d]</c>.</param>
    /// <param name="dropout">As there.</param>
    /// <param name="seed">As there.</param>
    public static void EmbeddingSumBackward(
        ReadOnlySpan<Tensor> tables, Tensor indices, Tensor gradient, double dropout = 0, long seed = 0)
    {
        using var handles = new TensorHandles(tables);
        var status = Native.sr_embedding_sum_backward(
            handles.Native, tables.Length, indices.Handle, gradient.Handle, dropout, seed, out var error);
        Native.Check(status, error);
    }
}

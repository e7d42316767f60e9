using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Functions of native/packed.cpp and native/losses.cpp.</summary>
internal static partial class Native
{
    [LibraryImport(Library)]
    internal static partial int sr_packed_attention(
        TensorHandle q, TensorHandle k, TensorHandle v, TensorHandle offsets, TensorHandle slots, long heads, double p, long seed,
        out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_packed_full_attention(
        TensorHandle q, TensorHandle k, TensorHandle v, TensorHandle queryOffsets, TensorHandle offsets, long heads, double p, long seed,
        out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_residual_norm(
        TensorHandle x, TensorHandle y, TensorHandle weight, TensorHandle bias, double eps, double p, long seed,
        out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_embedding_sum(
        ReadOnlySpan<nint> tables, int count, TensorHandle indices, double p, long seed, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_embedding_sum_backward(
        ReadOnlySpan<nint> tables, int count, TensorHandle indices, TensorHandle gradient, double p, long seed, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_softmax_loss(
        TensorHandle hidden, TensorHandle table, TensorHandle targets, double smoothing, out double loss, out nint gradient,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sampled_softmax_loss(
        TensorHandle hidden, TensorHandle table, TensorHandle targets, TensorHandle negatives, out double loss,
        out nint gradient, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_binary_loss(
        TensorHandle hidden, TensorHandle table, TensorHandle targets, TensorHandle negatives, out double loss,
        out nint gradient, out nint error);
}

using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Functions of native/shape.cpp.</summary>
internal static partial class Native
{
    [LibraryImport(Library)]
    internal static partial int sr_transpose(
        TensorHandle self, long first, long second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_transpose_last(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_permute(
        TensorHandle self, ReadOnlySpan<long> dims, int count, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_view(
        TensorHandle self, ReadOnlySpan<long> shape, int rank, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_reshape(
        TensorHandle self, ReadOnlySpan<long> shape, int rank, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_expand(
        TensorHandle self, ReadOnlySpan<long> shape, int rank, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_squeeze(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_squeeze_dim(
        TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_unsqueeze(
        TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_narrow(
        TensorHandle self, long dim, long start, long length, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_select(TensorHandle self, long dim, long index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_tril(TensorHandle self, long diagonal, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_triu(TensorHandle self, long diagonal, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_cat(
        ReadOnlySpan<nint> tensors, int count, long dim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_stack(
        ReadOnlySpan<nint> tensors, int count, long dim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_index(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_index_select(
        TensorHandle self, long dim, TensorHandle index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_gather(
        TensorHandle self, long dim, TensorHandle index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_masked_fill(
        TensorHandle self, TensorHandle mask, Scalar value, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_masked_select(
        TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_where(
        TensorHandle condition, TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_where_scalar(
        TensorHandle condition, TensorHandle first, Scalar second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_scatter_(
        TensorHandle self, long dim, TensorHandle index, TensorHandle source, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_scatter_value_(
        TensorHandle self, long dim, TensorHandle index, Scalar value, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_scatter_add_(
        TensorHandle self, long dim, TensorHandle index, TensorHandle source, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_index_add_(
        TensorHandle self, long dim, TensorHandle index, TensorHandle source, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_index_copy_(
        TensorHandle self, long dim, TensorHandle index, TensorHandle source, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_index_fill_(
        TensorHandle self, long dim, TensorHandle index, Scalar value, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_masked_fill_(TensorHandle self, TensorHandle mask, Scalar value, out nint error);
}

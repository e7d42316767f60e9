using System.Runtime.CompilerServices;

namespace StreamRec.Torch;

/// <summary>
/// Picking and placing elements by index or mask. An index out of range is a <see cref="TorchException"/> on the CPU
/// and stops the device on CUDA.
/// </summary>
public sealed partial class Tensor
{
    /// <summary>Rows by number, or elements by mask.</summary>
    /// <param name="index">
    /// int64 of any shape, negative from the end: <c>[V, ...][index [B, T]]</c> is <c>[B, T, ...]</c>; or Bool of the
    /// leading dimensions' shape: the rows where it is true, <c>[n, ...]</c>. For an embedding table prefer <see
    /// cref="Functional.Embedding"/>, whose gradient is cheaper.
    /// </param>
    // Not the default name "Item", which is PyTorch's for reading a single element.
    [IndexerName("Rows")]
    public Tensor this[Tensor index] =>
        Native.Own(Native.sr_index(Handle, index.Handle, out var result, out var error), result, error);

    /// <summary>The slices along a dimension that a one-dimensional int64 index names.</summary>
    public Tensor IndexSelect(long dim, Tensor index) =>
        Native.Own(Native.sr_index_select(Handle, dim, index.Handle, out var result, out var error), result, error);

    /// <summary>Element by element along a dimension: for dim 1, <c>result[i, j] = this[i, index[i, j]]</c>.</summary>
    public Tensor Gather(long dim, Tensor index) =>
        Native.Own(Native.sr_gather(Handle, dim, index.Handle, out var result, out var error), result, error);

    /// <summary>A copy with the value where the Bool mask, broadcast, is true.</summary>
    public Tensor MaskedFill(Tensor mask, Scalar value) =>
        Native.Own(Native.sr_masked_fill(Handle, mask.Handle, value, out var result, out var error), result, error);

    /// <summary>The elements where the Bool mask, broadcast, is true: <c>[n]</c>.</summary>
    public Tensor MaskedSelect(Tensor mask) =>
        Native.Own(Native.sr_masked_select(Handle, mask.Handle, out var result, out var error), result, error);

    /// <summary>Where the Bool condition is true the first, elsewhere the second; all three broadcast.</summary>
    public static Tensor Where(Tensor condition, Tensor first, Tensor second) => Native.Own(
        Native.sr_where(condition.Handle, first.Handle, second.Handle, out var result, out var error), result, error);

    /// <inheritdoc cref="Where(Tensor, Tensor, Tensor)"/>
    public static Tensor Where(Tensor condition, Tensor first, Scalar second) => Native.Own(
        Native.sr_where_scalar(condition.Handle, first.Handle, second, out var result, out var error), result, error);

    /// <summary>Places element by element along a dimension: for dim 1, <c>this[i, index[i, j]] = source[i, j]</c>.</summary>
    public Tensor Scatter_(long dim, Tensor index, Tensor source) =>
        Done(Native.sr_scatter_(Handle, dim, index.Handle, source.Handle, out var error), error);

    /// <summary>As <see cref="Scatter_(long, Tensor, Tensor)"/>, with one value for every place.</summary>
    public Tensor Scatter_(long dim, Tensor index, Scalar value) =>
        Done(Native.sr_scatter_value_(Handle, dim, index.Handle, value, out var error), error);

    /// <summary>As <see cref="Scatter_(long, Tensor, Tensor)"/>, adding instead of replacing.</summary>
    public Tensor ScatterAdd_(long dim, Tensor index, Tensor source) =>
        Done(Native.sr_scatter_add_(Handle, dim, index.Handle, source.Handle, out var error), error);

    /// <summary>Adds slice i of the source to the slice that the one-dimensional int64 index names at i.</summary>
    public Tensor IndexAdd_(long dim, Tensor index, Tensor source) =>
        Done(Native.sr_index_add_(Handle, dim, index.Handle, source.Handle, out var error), error);

    /// <summary>Replaces slices: as <see cref="IndexAdd_"/> without adding.</summary>
    public Tensor IndexCopy_(long dim, Tensor index, Tensor source) =>
        Done(Native.sr_index_copy_(Handle, dim, index.Handle, source.Handle, out var error), error);

    /// <summary>Sets the slices that the one-dimensional int64 index names to a value.</summary>
    public Tensor IndexFill_(long dim, Tensor index, Scalar value) =>
        Done(Native.sr_index_fill_(Handle, dim, index.Handle, value, out var error), error);

    /// <summary>Sets the elements where the Bool mask, broadcast, is true.</summary>
    public Tensor MaskedFill_(Tensor mask, Scalar value) =>
        Done(Native.sr_masked_fill_(Handle, mask.Handle, value, out var error), error);
}

namespace StreamRec.Torch;

/// <summary>Another look at the same elements, and joining.</summary>
public sealed partial class Tensor
{
    /// <summary>The last two dimensions swapped; a tensor of fewer dimensions as it is.</summary>
    public Tensor T => Native.Own(Native.sr_transpose_last(Handle, out var result, out var error), result, error);

    /// <summary>Two dimensions swapped: a view.</summary>
    public Tensor Transpose(long first, long second) =>
        Native.Own(Native.sr_transpose(Handle, first, second, out var result, out var error), result, error);

    /// <summary>The dimensions in another order: a view.</summary>
    public Tensor Permute(params ReadOnlySpan<long> dims) =>
        Native.Own(Native.sr_permute(Handle, dims, dims.Length, out var result, out var error), result, error);

    /// <summary>The same elements in another shape, one size may be -1; refused when the layout does not allow it.</summary>
    public Tensor View(params ReadOnlySpan<long> shape) =>
        Native.Own(Native.sr_view(Handle, shape, shape.Length, out var result, out var error), result, error);

    /// <summary>As <see cref="View"/>, with a copy where the layout requires one.</summary>
    public Tensor Reshape(params ReadOnlySpan<long> shape) =>
        Native.Own(Native.sr_reshape(Handle, shape, shape.Length, out var result, out var error), result, error);

    /// <summary>Dimensions of size 1 repeated without copying; -1 keeps a size.</summary>
    public Tensor Expand(params ReadOnlySpan<long> shape) =>
        Native.Own(Native.sr_expand(Handle, shape, shape.Length, out var result, out var error), result, error);

    /// <summary>Row-major in one block: a copy unless it is already.</summary>
    public Tensor Contiguous() => Native.Own(Native.sr_contiguous(Handle, out var result, out var error), result, error);

    /// <summary>A dimension of size 1 inserted.</summary>
    public Tensor Unsqueeze(long dim) =>
        Native.Own(Native.sr_unsqueeze(Handle, dim, 0, out var result, out var error), result, error);

    /// <summary>Without the dimensions of size 1.</summary>
    public Tensor Squeeze() => Native.Own(Native.sr_squeeze(Handle, out var result, out var error), result, error);

    /// <summary>Without this dimension when its size is 1.</summary>
    public Tensor Squeeze(long dim) =>
        Native.Own(Native.sr_squeeze_dim(Handle, dim, 0, out var result, out var error), result, error);

    /// <summary>A range of a dimension: a view.</summary>
    public Tensor Narrow(long dim, long start, long length) =>
        Native.Own(Native.sr_narrow(Handle, dim, start, length, out var result, out var error), result, error);

    /// <summary>One slice of a dimension, which goes away: a view.</summary>
    public Tensor Select(long dim, long index) =>
        Native.Own(Native.sr_select(Handle, dim, index, out var result, out var error), result, error);

    /// <summary>Zeros above a diagonal of the last two dimensions.</summary>
    /// <param name="diagonal">0 is the main one, positive above it.</param>
    public Tensor Tril(long diagonal = 0) =>
        Native.Own(Native.sr_tril(Handle, diagonal, out var result, out var error), result, error);

    /// <summary>Zeros below a diagonal of the last two dimensions.</summary>
    /// <param name="diagonal">0 is the main one, positive above it.</param>
    public Tensor Triu(long diagonal = 0) =>
        Native.Own(Native.sr_triu(Handle, diagonal, out var result, out var error), result, error);

    /// <summary>Joined along a dimension that they have.</summary>
    public static Tensor Cat(ReadOnlySpan<Tensor> tensors, long dim = 0)
    {
        using var handles = new TensorHandles(tensors);
        return Native.Own(Native.sr_cat(handles.Native, tensors.Length, dim, out var result, out var error), result, error);
    }

    /// <inheritdoc cref="Cat(ReadOnlySpan{Tensor}, long)"/>
    public static Tensor Cat(IEnumerable<Tensor> tensors, long dim = 0) => Cat(tensors.ToArray(), dim);

    /// <summary>Joined along a new dimension; all have one shape.</summary>
    public static Tensor Stack(ReadOnlySpan<Tensor> tensors, long dim = 0)
    {
        using var handles = new TensorHandles(tensors);
        return Native.Own(Native.sr_stack(handles.Native, tensors.Length, dim, out var result, out var error), result, error);
    }

    /// <inheritdoc cref="Stack(ReadOnlySpan{Tensor}, long)"/>
    public static Tensor Stack(IEnumerable<Tensor> tensors, long dim = 0) => Stack(tensors.ToArray(), dim);
}

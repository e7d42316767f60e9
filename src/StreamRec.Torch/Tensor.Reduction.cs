namespace StreamRec.Torch;

/// <summary>
/// From many elements to few. <c>dim</c> counts from 0, or negative from the end; <c>keepdim</c> leaves it with size 1.
/// </summary>
public sealed partial class Tensor
{
    /// <summary>Sum of all elements; integers and Bool sum to int64.</summary>
    public Tensor Sum() => Native.Own(Native.sr_sum(Handle, out var result, out var error), result, error);

    public Tensor Sum(long dim, bool keepdim = false) =>
        Native.Own(Native.sr_sum_dim(Handle, dim, keepdim ? 1 : 0, out var result, out var error), result, error);

    /// <summary>Mean of all elements, of a floating type.</summary>
    public Tensor Mean() => Native.Own(Native.sr_mean(Handle, out var result, out var error), result, error);

    public Tensor Mean(long dim, bool keepdim = false) =>
        Native.Own(Native.sr_mean_dim(Handle, dim, keepdim ? 1 : 0, out var result, out var error), result, error);

    /// <summary>Largest element.</summary>
    public Tensor Max() => Native.Own(Native.sr_max(Handle, out var result, out var error), result, error);

    /// <summary>Largest elements along a dimension and where they are (int64).</summary>
    public (Tensor Values, Tensor Indices) Max(long dim, bool keepdim = false) => Native.Own(
        Native.sr_max_dim(Handle, dim, keepdim ? 1 : 0, out var values, out var indices, out var error), values, indices, error);

    /// <summary>Smallest element.</summary>
    public Tensor Min() => Native.Own(Native.sr_min(Handle, out var result, out var error), result, error);

    /// <summary>Smallest elements along a dimension and where they are (int64).</summary>
    public (Tensor Values, Tensor Indices) Min(long dim, bool keepdim = false) => Native.Own(
        Native.sr_min_dim(Handle, dim, keepdim ? 1 : 0, out var values, out var indices, out var error), values, indices, error);

    /// <summary>Where the largest elements along a dimension are: int64; of equal ones any.</summary>
    public Tensor ArgMax(long dim, bool keepdim = false) =>
        Native.Own(Native.sr_argmax(Handle, dim, keepdim ? 1 : 0, out var result, out var error), result, error);

    /// <summary>
    /// The k largest (or smallest) elements along a dimension, best first, and where they are (int64); of equal ones
    /// any.
    /// </summary>
    public (Tensor Values, Tensor Indices) TopK(long k, long dim = -1, bool largest = true, bool sorted = true)
    {
        var status = Native.sr_topk(
            Handle, k, dim, largest ? 1 : 0, sorted ? 1 : 0, out var values, out var indices, out var error);
        return Native.Own(status, values, indices, error);
    }

    /// <summary>Sums of the elements up to and including each one.</summary>
    public Tensor CumSum(long dim) => Native.Own(Native.sr_cumsum(Handle, dim, 0, out var result, out var error), result, error);

    /// <summary>Square root of the sum of squares of all elements.</summary>
    public Tensor Norm() => Native.Own(Native.sr_norm(Handle, out var result, out var error), result, error);
}

namespace StreamRec.Torch;

/// <summary>Comparisons and logic: results are Bool tensors; operands broadcast.</summary>
public sealed partial class Tensor
{
    public Tensor Eq(Tensor other) =>
        Native.Own(Native.sr_eq(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Eq(Scalar value) =>
        Native.Own(Native.sr_eq_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor Ne(Tensor other) =>
        Native.Own(Native.sr_ne(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Ne(Scalar value) =>
        Native.Own(Native.sr_ne_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor Lt(Tensor other) =>
        Native.Own(Native.sr_lt(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Lt(Scalar value) =>
        Native.Own(Native.sr_lt_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor Le(Tensor other) =>
        Native.Own(Native.sr_le(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Le(Scalar value) =>
        Native.Own(Native.sr_le_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor Gt(Tensor other) =>
        Native.Own(Native.sr_gt(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Gt(Scalar value) =>
        Native.Own(Native.sr_gt_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor Ge(Tensor other) =>
        Native.Own(Native.sr_ge(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Ge(Scalar value) =>
        Native.Own(Native.sr_ge_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor LogicalNot() => Native.Own(Native.sr_logical_not(Handle, out var result, out var error), result, error);

    public Tensor LogicalAnd(Tensor other) =>
        Native.Own(Native.sr_logical_and(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor LogicalOr(Tensor other) =>
        Native.Own(Native.sr_logical_or(Handle, other.Handle, out var result, out var error), result, error);

    /// <summary>True where the element is neither infinite nor NaN.</summary>
    public Tensor IsFinite() => Native.Own(Native.sr_isfinite(Handle, out var result, out var error), result, error);

    /// <summary>Whether every element is true (not zero): a single Bool.</summary>
    public Tensor All() => Native.Own(Native.sr_all(Handle, out var result, out var error), result, error);

    public Tensor All(long dim, bool keepdim = false) =>
        Native.Own(Native.sr_all_dim(Handle, dim, keepdim ? 1 : 0, out var result, out var error), result, error);

    /// <summary>Whether some element is true (not zero): a single Bool.</summary>
    public Tensor Any() => Native.Own(Native.sr_any(Handle, out var result, out var error), result, error);

    public Tensor Any(long dim, bool keepdim = false) =>
        Native.Own(Native.sr_any_dim(Handle, dim, keepdim ? 1 : 0, out var result, out var error), result, error);
}

namespace StreamRec.Torch;

/// <summary>Arithmetic: operands broadcast, a <see cref="Scalar"/> keeps the tensor's type where PyTorch does.</summary>
public sealed partial class Tensor
{
    public static Tensor operator +(Tensor left, Tensor right) =>
        Native.Own(Native.sr_add(left.Handle, right.Handle, out var result, out var error), result, error);

    public static Tensor operator +(Tensor left, Scalar right) =>
        Native.Own(Native.sr_add_scalar(left.Handle, right, out var result, out var error), result, error);

    public static Tensor operator +(Scalar left, Tensor right) =>
        Native.Own(Native.sr_add_scalar(right.Handle, left, out var result, out var error), result, error);

    public static Tensor operator -(Tensor left, Tensor right) =>
        Native.Own(Native.sr_sub(left.Handle, right.Handle, out var result, out var error), result, error);

    public static Tensor operator -(Tensor left, Scalar right) =>
        Native.Own(Native.sr_sub_scalar(left.Handle, right, out var result, out var error), result, error);

    public static Tensor operator -(Scalar left, Tensor right) =>
        Native.Own(Native.sr_rsub_scalar(right.Handle, left, out var result, out var error), result, error);

    public static Tensor operator *(Tensor left, Tensor right) =>
        Native.Own(Native.sr_mul(left.Handle, right.Handle, out var result, out var error), result, error);

    public static Tensor operator *(Tensor left, Scalar right) =>
        Native.Own(Native.sr_mul_scalar(left.Handle, right, out var result, out var error), result, error);

    public static Tensor operator *(Scalar left, Tensor right) =>
        Native.Own(Native.sr_mul_scalar(right.Handle, left, out var result, out var error), result, error);

    public static Tensor operator /(Tensor left, Tensor right) =>
        Native.Own(Native.sr_div(left.Handle, right.Handle, out var result, out var error), result, error);

    public static Tensor operator /(Tensor left, Scalar right) =>
        Native.Own(Native.sr_div_scalar(left.Handle, right, out var result, out var error), result, error);

    public static Tensor operator /(Scalar left, Tensor right) =>
        Native.Own(Native.sr_rdiv_scalar(right.Handle, left, out var result, out var error), result, error);

    public static Tensor operator -(Tensor value) =>
        Native.Own(Native.sr_neg(value.Handle, out var result, out var error), result, error);

    /// <summary>
    /// Matrix product over the last two dimensions, the ones before broadcast: [..., n, k] x [..., k, m] = [..., n, m].
    /// </summary>
    public Tensor MatMul(Tensor other) =>
        Native.Own(Native.sr_matmul(Handle, other.Handle, out var result, out var error), result, error);

    /// <summary>Matrix product of a batch: [b, n, k] x [b, k, m] = [b, n, m].</summary>
    public Tensor Bmm(Tensor other) =>
        Native.Own(Native.sr_bmm(Handle, other.Handle, out var result, out var error), result, error);

    public Tensor Pow(Scalar value) =>
        Native.Own(Native.sr_pow_scalar(Handle, value, out var result, out var error), result, error);

    public Tensor Exp() => Native.Own(Native.sr_exp(Handle, out var result, out var error), result, error);

    /// <summary>Natural logarithm.</summary>
    public Tensor Log() => Native.Own(Native.sr_log(Handle, out var result, out var error), result, error);

    public Tensor Sqrt() => Native.Own(Native.sr_sqrt(Handle, out var result, out var error), result, error);

    /// <summary>1 / sqrt(x).</summary>
    public Tensor Rsqrt() => Native.Own(Native.sr_rsqrt(Handle, out var result, out var error), result, error);

    public Tensor Abs() => Native.Own(Native.sr_abs(Handle, out var result, out var error), result, error);

    public Tensor Cos() => Native.Own(Native.sr_cos(Handle, out var result, out var error), result, error);

    public Tensor Sin() => Native.Own(Native.sr_sin(Handle, out var result, out var error), result, error);

    public Tensor Tanh() => Native.Own(Native.sr_tanh(Handle, out var result, out var error), result, error);

    public Tensor Sigmoid() => Native.Own(Native.sr_sigmoid(Handle, out var result, out var error), result, error);

    /// <summary>log(sigmoid(x)), exact for large negative x.</summary>
    public Tensor LogSigmoid() => Native.Own(Native.sr_log_sigmoid(Handle, out var result, out var error), result, error);

    /// <summary>log(1 + exp(x)), exact for large x.</summary>
    public Tensor Softplus() => Native.Own(Native.sr_softplus(Handle, out var result, out var error), result, error);

    public Tensor Relu() => Native.Own(Native.sr_relu(Handle, out var result, out var error), result, error);

    /// <summary>x sigmoid(x).</summary>
    public Tensor Silu() => Native.Own(Native.sr_silu(Handle, out var result, out var error), result, error);

    /// <summary>x Phi(x), with the normal distribution function Phi.</summary>
    /// <param name="tanh">The approximation by tanh (Hendrycks and Gimpel 2016), as in GPT-2, instead of the exact form.</param>
    public Tensor Gelu(bool tanh = false) =>
        Native.Own(Native.sr_gelu(Handle, tanh ? 1 : 0, out var result, out var error), result, error);

    /// <summary>Elements limited to [min, max]; a bound left out does not limit.</summary>
    /// <exception cref="TorchException">Both bounds are left out.</exception>
    public Tensor Clamp(Scalar min = default, Scalar max = default) =>
        Native.Own(Native.sr_clamp(Handle, min, max, out var result, out var error), result, error);

    /// <summary>exp(x) / sum exp(x) along a dimension.</summary>
    public Tensor Softmax(long dim) =>
        Native.Own(Native.sr_softmax(Handle, dim, 0, out var result, out var error), result, error);

    /// <summary>x - log sum exp(x) along a dimension.</summary>
    public Tensor LogSoftmax(long dim) =>
        Native.Own(Native.sr_log_softmax(Handle, dim, 0, out var result, out var error), result, error);
}

namespace StreamRec.Torch;

/// <summary>
/// Operations that change the tensor and return it. On a leaf that requires gradients they need <see cref="NoGrad"/>.
/// </summary>
public sealed partial class Tensor
{
    public Tensor Add_(Tensor other) => Done(Native.sr_add_(Handle, other.Handle, out var error), error);

    public Tensor Add_(Scalar value) => Done(Native.sr_add_scalar_(Handle, value, out var error), error);

    public Tensor Sub_(Tensor other) => Done(Native.sr_sub_(Handle, other.Handle, out var error), error);

    public Tensor Sub_(Scalar value) => Done(Native.sr_sub_scalar_(Handle, value, out var error), error);

    public Tensor Mul_(Tensor other) => Done(Native.sr_mul_(Handle, other.Handle, out var error), error);

    public Tensor Mul_(Scalar value) => Done(Native.sr_mul_scalar_(Handle, value, out var error), error);

    public Tensor Div_(Tensor other) => Done(Native.sr_div_(Handle, other.Handle, out var error), error);

    public Tensor Div_(Scalar value) => Done(Native.sr_div_scalar_(Handle, value, out var error), error);

    public Tensor Zero_() => Fill_(0);

    public Tensor Fill_(Scalar value) => Done(Native.sr_fill_(Handle, value, out var error), error);

    /// <summary>Copies the elements, converted and broadcast, also between devices.</summary>
    public Tensor CopyFrom_(Tensor source) => Done(Native.sr_copy_(Handle, source.Handle, out var error), error);

    /// <summary>Draws every element from a normal distribution, with the thread's <see cref="TorchRandom"/>.</summary>
    public Tensor Normal_(double mean, double std) => Done(Native.sr_normal_(Handle, mean, std, out var error), error);

    /// <summary>Draws every element uniformly from [from, to), with the thread's <see cref="TorchRandom"/>.</summary>
    public Tensor Uniform_(double from, double to) => Done(Native.sr_uniform_(Handle, from, to, out var error), error);

    /// <summary>Limits the elements to [min, max]; a bound left out does not limit.</summary>
    /// <exception cref="TorchException">Both bounds are left out.</exception>
    public Tensor Clamp_(Scalar min = default, Scalar max = default) =>
        Done(Native.sr_clamp_(Handle, min, max, out var error), error);

    private Tensor Done(int status, nint error)
    {
        Native.Check(status, error);
        return this;
    }
}

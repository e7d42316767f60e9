using System.Diagnostics.CodeAnalysis;

namespace StreamRec.Torch;

/// <summary>A libtorch tensor: elements of one type in a shape, on one device, with the history that gradients need.</summary>
/// <remarks>
/// Semantics and names are PyTorch's. Every operation that returns a tensor returns a new owner, which the innermost
/// open <see cref="TensorScope"/> frees; without one the caller disposes it. Views share elements with their source and
/// keep them alive. A method whose name ends in an underscore changes the tensor itself and returns it.
/// Errors: <see cref="TorchException"/> when libtorch refuses (shape, type, device, memory), <see
/// cref="ObjectDisposedException"/> after Dispose.
/// Threading: as in PyTorch; reading from several threads is safe, changing while another thread reads is not.
/// </remarks>
[SuppressMessage("Naming", "CA1707:Identifiers should not contain underscores", Justification = "PyTorch's mark of an in-place operation.")]
[SuppressMessage("Usage", "CA2225:Operator overloads have named alternates", Justification = "The operators are the names.")]
public sealed partial class Tensor : IDisposable
{
    private readonly TensorHandle _handle;

    internal Tensor(nint native)
    {
        _handle = new TensorHandle(native);
        TensorScope.Register(this);
    }

    /// <summary>The scope that will free this tensor; null when nobody but its owner does.</summary>
    internal TensorScope? Scope { get; set; }

    internal TensorHandle Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return _handle;
        }
    }

    /// <summary>Whether the tensor has been freed.</summary>
    public bool IsDisposed => _handle.IsClosed;

    /// <summary>Number of dimensions; 0 for a single number.</summary>
    public int Dim
    {
        get
        {
            Native.Check(Native.sr_dim(Handle, out var dim, out var error), error);
            return (int)dim;
        }
    }

    /// <summary>Elements along each dimension: a new array each time.</summary>
    public long[] Shape
    {
        get
        {
            var shape = new long[Dim];
            Native.Check(Native.sr_sizes(Handle, shape, out var error), error);
            return shape;
        }
    }

    /// <summary>Number of elements.</summary>
    public long Numel
    {
        get
        {
            Native.Check(Native.sr_numel(Handle, out var numel, out var error), error);
            return numel;
        }
    }

    public ScalarType Dtype
    {
        get
        {
            Native.Check(Native.sr_dtype(Handle, out var code, out var error), error);
            return (ScalarType)code;
        }
    }

    public Device Device
    {
        get
        {
            Native.Check(Native.sr_device(Handle, out var type, out var index, out var error), error);
            return Device.FromNative(type, index);
        }
    }

    /// <summary>Whether the elements lie in one block in row-major order.</summary>
    public bool IsContiguous
    {
        get
        {
            Native.Check(Native.sr_is_contiguous(Handle, out var yes, out var error), error);
            return yes != 0;
        }
    }

    /// <summary>
    /// Whether operations on this tensor are recorded for <see cref="Backward"/>. Can be set on leaves of a floating
    /// type.
    /// </summary>
    public bool RequiresGrad
    {
        get
        {
            Native.Check(Native.sr_get_requires_grad(Handle, out var yes, out var error), error);
            return yes != 0;
        }
        set => Native.Check(Native.sr_set_requires_grad(Handle, value ? 1 : 0, out var error), error);
    }

    /// <summary>
    /// The gradient accumulated so far, null when there is none. Each read returns a new owner of the same elements.
    /// </summary>
    public Tensor? Grad
    {
        get
        {
            Native.Check(Native.sr_get_grad(Handle, out var grad, out var error), error);
            return grad == 0 ? null : new Tensor(grad);
        }
        set => Native.Check(Native.sr_set_grad(Handle, value?.Handle ?? TensorHandle.None, out var error), error);
    }

    /// <summary>Elements along one dimension.</summary>
    /// <param name="dim">From 0, or negative from the end.</param>
    public long Size(int dim)
    {
        Native.Check(Native.sr_size(Handle, dim, out var size, out var error), error);
        return size;
    }

    /// <summary>
    /// Adds the gradient of this tensor to the <see cref="Grad"/> of every leaf that it was computed from, and frees
    /// the recorded history.
    /// </summary>
    /// <param name="gradient">Weight of each element, this tensor's shape; may be left out for a single number.</param>
    /// <param name="retainGraph">Keeps the history for another call.</param>
    public void Backward(Tensor? gradient = null, bool retainGraph = false) => Native.Check(
        Native.sr_backward(Handle, gradient?.Handle ?? TensorHandle.None, retainGraph ? 1 : 0, out var error), error);

    /// <summary>
    /// Makes this very tensor hold the elements, type and device of another and drops its gradient: every holder of
    /// this object sees the change.
    /// </summary>
    internal void SetData(Tensor source) => Native.Check(Native.sr_set_data(Handle, source.Handle, out var error), error);

    /// <summary>Frees the native tensor. May be called twice, and while another thread is inside a call with it.</summary>
    public void Dispose() => _handle.Dispose();

    public override string ToString() =>
        _handle.IsClosed ? "Tensor(disposed)" : $"Tensor({Dtype} [{string.Join(", ", Shape)}] {Device})";
}

using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Owns one native tensor. Its finalizer is a backstop only: tensors are freed by scopes, modules and Dispose.</summary>
internal sealed class TensorHandle : SafeHandle
{
    public TensorHandle() : base(0, ownsHandle: true)
    {
    }

    public TensorHandle(nint native) : this() => SetHandle(native);

    /// <summary>Stands for "no tensor" in optional arguments.</summary>
    public static TensorHandle None { get; } = new();

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Native.sr_tensor_free(handle);
        return true;
    }
}

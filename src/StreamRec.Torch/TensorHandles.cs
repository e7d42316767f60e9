namespace StreamRec.Torch;

/// <summary>Borrows the handles of many tensors for one native call: none can be freed until <see cref="Dispose"/>.</summary>
internal ref struct TensorHandles
{
    private readonly TensorHandle[] _handles;
    private readonly nint[] _native;
    private int _borrowed;

    /// <exception cref="ObjectDisposedException">One of the tensors is disposed.</exception>
    public TensorHandles(ReadOnlySpan<Tensor> tensors)
    {
        _handles = new TensorHandle[tensors.Length];
        _native = new nint[tensors.Length];
        try
        {
            foreach (var tensor in tensors)
            {
                var handle = tensor.Handle;
                var added = false;
                handle.DangerousAddRef(ref added);
                _handles[_borrowed] = handle;
                _native[_borrowed++] = handle.DangerousGetHandle();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public readonly ReadOnlySpan<nint> Native => _native;

    public void Dispose()
    {
        while (_borrowed > 0)
            _handles[--_borrowed].DangerousRelease();
    }
}

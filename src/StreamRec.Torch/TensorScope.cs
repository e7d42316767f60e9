namespace StreamRec.Torch;

/// <summary>Frees every tensor that the thread made since <see cref="Enter"/>, except those kept.</summary>
/// <remarks>
/// <code>
/// using var scope = TensorScope.Enter();
/// var scores = x.MatMul(w).Softmax(-1);
/// return scope.Keep(scores);
/// </code>
/// Scopes nest and belong to one thread: closing one also closes those opened inside it and still open. A kept tensor
/// passes to the enclosing scope, or to the caller when there is none. <see cref="Detach"/> takes a tensor out of every
/// scope: for what outlives the call, such as a cache or a parameter (modules and optimisers do it for theirs). A
/// tensor that another thread is to free has to be detached or kept out first.
/// </remarks>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _current;

    private readonly int _threadId = Environment.CurrentManagedThreadId;
    private readonly List<Tensor> _tensors = [];
    private readonly TensorScope? _outer;
    private readonly int _depth;
    private bool _closed;

    private TensorScope(TensorScope? outer)
    {
        _outer = outer;
        _depth = outer is null ? 0 : outer._depth + 1;
    }

    /// <summary>Opens a scope inside the thread's innermost one.</summary>
    public static TensorScope Enter() => _current = new TensorScope(_current);

    /// <summary>
    /// Passes a tensor made in this scope, or in one inside it, to the enclosing scope, or to the caller when there is
    /// none.
    /// </summary>
    /// <returns>The tensor.</returns>
    public Tensor Keep(Tensor tensor)
    {
        if (tensor.Scope is { } scope && scope._depth >= _depth)
        {
            tensor.Scope = _outer;
            _outer?._tensors.Add(tensor);
        }

        return tensor;
    }

    /// <inheritdoc cref="Keep(Tensor)"/>
    public (Tensor First, Tensor Second) Keep(Tensor first, Tensor second) => (Keep(first), Keep(second));

    /// <summary>Takes a tensor out of all scopes: from now on only its owner frees it.</summary>
    /// <returns>The tensor.</returns>
    public static Tensor Detach(Tensor tensor)
    {
        tensor.Scope = null;
        return tensor;
    }

    internal static void Register(Tensor tensor)
    {
        if (_current is { } scope)
        {
            tensor.Scope = scope;
            scope._tensors.Add(tensor);
        }
    }

    /// <exception cref="InvalidOperationException">
    /// Called from another thread than <see cref="Enter"/>, for example after an await.
    /// </exception>
    public void Dispose()
    {
        if (_closed)
            return;
        if (_threadId != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException("A tensor scope must be closed on the thread that opened it.");
        TensorScope? inner;
        do
        {
            inner = _current!;
            inner.Close();
            _current = inner._outer;
        }
        while (inner != this);
    }

    private void Close()
    {
        _closed = true;
        foreach (var tensor in _tensors)
        {
            // Kept and detached tensors stay in the list; whose they are is decided here.
            if (tensor.Scope == this)
            {
                tensor.Scope = null;
                tensor.Dispose();
            }
        }

        _tensors.Clear();
    }
}

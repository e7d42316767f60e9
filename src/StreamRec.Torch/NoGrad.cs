namespace StreamRec.Torch;

/// <summary>While open, operations of this thread record no history: <c>using var noGrad = NoGrad.Enter();</c>. Nests.</summary>
public sealed class NoGrad : IDisposable
{
    private readonly int _threadId = Environment.CurrentManagedThreadId;
    private readonly int _before;
    private bool _closed;

    private NoGrad()
    {
        Native.Check(Native.sr_get_grad_enabled(out _before, out var error), error);
        Set(0);
    }

    /// <summary>Whether operations of this thread are recorded.</summary>
    public static bool GradEnabled
    {
        get
        {
            Native.Check(Native.sr_get_grad_enabled(out var enabled, out var error), error);
            return enabled != 0;
        }
    }

    public static NoGrad Enter() => new();

    /// <summary>Back to what held before.</summary>
    /// <exception cref="InvalidOperationException">
    /// Called from another thread than <see cref="Enter"/>, for example after an await.
    /// </exception>
    public void Dispose()
    {
        if (_closed)
            return;
        if (_threadId != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException("NoGrad must be closed on the thread that opened it.");
        _closed = true;
        Set(_before);
    }

    private static void Set(int enabled) => Native.Check(Native.sr_set_grad_enabled(enabled, out var error), error);
}

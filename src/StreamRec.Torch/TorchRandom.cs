namespace StreamRec.Torch;

/// <summary>
/// While open, what this thread draws follows from the seed alone, whatever other threads draw:
/// <c>using var random = TorchRandom.Enter(seed);</c>. Nests.
/// </summary>
/// <remarks>
/// The same calls in the same order give the same numbers on the same kind of device. Outside, all threads share libtorch's
/// global generators, and threads that draw at the same time mix their orders.
/// </remarks>
public sealed class TorchRandom : IDisposable
{
    private readonly int _threadId = Environment.CurrentManagedThreadId;
    private readonly nint _before;
    private bool _closed;

    private TorchRandom(long seed) => Native.Check(Native.sr_random_enter(seed, out _before, out var error), error);

    /// <summary>Begins a stream of random numbers on this thread.</summary>
    public static TorchRandom Enter(long seed) => new(seed);

    /// <summary>Back to the stream that was there before.</summary>
    /// <exception cref="InvalidOperationException">
    /// Called from another thread than <see cref="Enter"/>, for example after an await.
    /// </exception>
    public void Dispose()
    {
        if (_closed)
            return;
        if (_threadId != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException("TorchRandom must be closed on the thread that opened it.");
        _closed = true;
        Native.Check(Native.sr_random_leave(_before, out var error), error);
    }
}

using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>Where the serving model sits: one reference, swapped between batches.</summary>
/// <remarks>
/// A batch takes a lease and keeps it to its end, so one batch is computed by one version and a model is freed only by its last lease.
/// A swap costs a lock and a pointer; it waits for nobody.
/// </remarks>
internal sealed class ModelSlot : IDisposable
{
    private readonly Lock _gate = new();
    private ServingModel? _serving;

    /// <summary>The version that serves, or null.</summary>
    public ModelVersion? Version
    {
        get
        {
            lock (_gate)
            {
                return _serving?.Model.Version;
            }
        }
    }

    /// <summary>A lease on the serving model, or null when there is none. Dispose it after the batch.</summary>
    public ServingModel.Lease? Acquire()
    {
        lock (_gate)
        {
            return _serving?.Acquire();
        }
    }

    /// <summary>Makes a model the serving one; the former is freed with its last lease.</summary>
    public void Swap(ServingModel? next)
    {
        ServingModel? former;
        lock (_gate)
        {
            former = _serving;
            next?.Retain();
            _serving = next;
        }

        former?.Release();
    }

    public void Dispose() => Swap(null);
}

/// <summary>A loaded model with a count of who uses it: slots, leases and whoever keeps it warm.</summary>
internal sealed class ServingModel(IModel model)
{
    // The creator holds one reference.
    private int _references = 1;

    public IModel Model { get; } = model;

    public void Retain() => Interlocked.Increment(ref _references);

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            Model.Dispose();
        }
    }

    public Lease Acquire()
    {
        Retain();
        return new Lease(this);
    }

    /// <summary>The right to use the model until disposed.</summary>
    public sealed class Lease(ServingModel owner) : IDisposable
    {
        private int _disposed;

        public IModel Model => owner.Model;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                owner.Release();
            }
        }
    }
}

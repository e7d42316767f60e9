using System.Diagnostics;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>Decides what serves: activation, rollback, and the serving model's lease.</summary>
/// <remarks>
/// Activation: hashes → the family's checks (shapes, finite weights, golden inputs) beside the live model → aliases on disk → swap.
/// Any failure leaves the live model and the aliases as they were. The former champion stays loaded, so a rollback is a swap.
/// Threading: one activation or rollback at a time, leases from any thread.
/// </remarks>
public sealed class ModelControl(
    ModelRegistry registry, IEnumerable<IModelFamily> families, ModelContext context, ILogger<ModelControl> log)
    : ICheckpoints, IDisposable
{
    private readonly Dictionary<string, IModelFamily> _families = families.ToDictionary(f => f.Name);
    private readonly ModelSlot _slot = new();
    private readonly Lock _gate = new();
    private ServingModel? _champion;
    private ServingModel? _previous;

    /// <summary>Called after each swap with the version that serves now and the one before, null when there was none.</summary>
    public event Action<ModelVersion, ModelVersion?>? Swapped;

    /// <summary>The version that serves in this process, or null.</summary>
    public ModelVersion? Serving => _slot.Version;

    /// <inheritdoc/>
    public ModelVersion? Champion => registry.ReadAliases().Champion is { } name ? ModelRegistry.Parse(name) : null;

    /// <summary>Loads what the aliases name, at start. A champion that fails its checks is refused loudly, and <c>previous</c> serves in its place.</summary>
    /// <returns>Why the champion was refused, or null.</returns>
    public CheckpointRejectedException? Restore()
    {
        var aliases = registry.ReadAliases();
        if (aliases.Champion is null)
        {
            return null;
        }

        try
        {
            Serve(new ServingModel(Load(ModelRegistry.Parse(aliases.Champion))));
            return null;
        }
        catch (CheckpointRejectedException refused)
        {
            Log.Rejected(log, ModelRegistry.Parse(aliases.Champion), refused.Message, null);
            if (aliases.Previous is null)
            {
                return refused;
            }

            try
            {
                Serve(new ServingModel(Load(ModelRegistry.Parse(aliases.Previous))));
            }
            catch (CheckpointRejectedException both)
            {
                Log.Rejected(log, ModelRegistry.Parse(aliases.Previous), both.Message, null);
            }

            return refused;
        }
    }

    /// <summary>A lease on the serving model, or null when there is none.</summary>
    internal ServingModel.Lease? Acquire() => _slot.Acquire();

    /// <inheritdoc/>
    public (string Directory, CheckpointManifest Manifest) Open(ModelVersion version) => registry.Open(version);

    /// <inheritdoc/>
    public ModelVersion Publish(string family, CheckpointManifest draft, Func<string, CheckpointContent> write) =>
        registry.Publish(family, draft, write);

    /// <summary>Every check that activation makes, without activating.</summary>
    /// <exception cref="CheckpointRejectedException">One fails.</exception>
    public CheckpointManifest Verify(ModelVersion version)
    {
        var manifest = registry.ReadManifest(version);
        Load(version).Dispose();
        return manifest;
    }

    /// <inheritdoc/>
    public IModel Load(ModelVersion version, IEvidence? evidence = null)
    {
        var (directory, manifest) = registry.Open(version);
        return _families.TryGetValue(version.Family, out var family)
            ? family.Load(directory, manifest, evidence is null ? context : context with { Evidence = evidence })
            : throw new CheckpointRejectedException(
                $"{version}: this program knows no family '{version.Family}'; it knows {string.Join(", ", _families.Keys.Order())}");
    }

    /// <inheritdoc/>
    public void Prune(string family, int keep) => registry.Prune(family, keep);

    /// <inheritdoc/>
    public void Activate(ModelVersion version)
    {
        lock (_gate)
        {
            var started = Stopwatch.GetTimestamp();
            ServingModel next;
            try
            {
                next = new ServingModel(Load(version));
            }
            catch (CheckpointRejectedException refused)
            {
                Log.Rejected(log, version, refused.Message, Serving);
                throw;
            }

            var former = registry.ReadAliases();
            var same = former.Champion == version.ToString();
            WriteAliases(new ModelAliases(version.ToString(), same ? former.Previous : former.Champion), next);
            var live = Serving;
            Serve(next);
            Log.Activated(log, version, live, (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
    }

    /// <summary>Returns to the version that served before; called again, it returns to where it was.</summary>
    /// <returns>The version that serves now.</returns>
    /// <exception cref="CheckpointRejectedException">There is no previous version, or it fails its checks.</exception>
    public ModelVersion Rollback()
    {
        lock (_gate)
        {
            var aliases = registry.ReadAliases();
            if (aliases.Previous is null)
            {
                throw new CheckpointRejectedException("there is no previous version to return to; 'streamrec models list' shows what there is");
            }

            var started = Stopwatch.GetTimestamp();
            var target = ModelRegistry.Parse(aliases.Previous);
            var warm = _previous is { } previous && previous.Model.Version == target ? previous : null;
            warm?.Retain();
            var next = warm ?? new ServingModel(Load(target));
            var live = Serving;
            WriteAliases(new ModelAliases(aliases.Previous, aliases.Champion), next);
            Serve(next);
            Log.Activated(log, target, live, (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            return target;
        }
    }

    public void Dispose()
    {
        _slot.Dispose();
        _champion?.Release();
        _previous?.Release();
        _champion = _previous = null;
    }

    // When the disk is full nothing has changed, and the model that was loaded for nothing is freed.
    private void WriteAliases(ModelAliases aliases, ServingModel next)
    {
        try
        {
            registry.WriteAliases(aliases);
        }
        catch
        {
            next.Release();
            throw;
        }
    }

    // Takes over the caller's reference.
    private void Serve(ServingModel next)
    {
        _slot.Swap(next);
        _previous?.Release();
        _previous = _champion;
        _champion = next;
        Swapped?.Invoke(next.Model.Version, _previous?.Model.Version);
    }
}

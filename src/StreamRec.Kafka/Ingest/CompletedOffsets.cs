using System.Collections.Concurrent;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>Remembers how far each partition is finished, until ingest commits it to Kafka.</summary>
/// <remarks>
/// A thing of its own, because shards need it before ingest can be made with the shards. Invariant: the offset of a
/// partition never falls. Threading: any thread.
/// </remarks>
public sealed class CompletedOffsets : ICompletedOffsets
{
    private readonly ConcurrentDictionary<SourcePartition, long> _next = new();

    public void Completed(SourcePartition source, long nextOffset) =>
        _next.AddOrUpdate(source, static (_, next) => next, static (_, known, next) => Math.Max(known, next), nextOffset);

    /// <summary>Below which offset everything is finished; null when nothing is known.</summary>
    public long? Of(SourcePartition source) => _next.TryGetValue(source, out var next) ? next : null;
}

using StreamRec.Domain;

namespace StreamRec.Journal.Commits;

/// <summary>
/// One source partition as the writer knows it: there is one writer, so what it remembers is what the table says.
/// </summary>
internal sealed class PartitionState(long id, SourcePartition source)
{
    public long Id { get; } = id;

    public SourcePartition Source { get; } = source;

    public long Epoch { get; set; }

    public long NextOffset { get; set; }

    public long CompletedOffset { get; set; }

    public long FoldedPosition { get; set; }

    public PartitionLease Lease() => new(Source, Epoch, NextOffset, CompletedOffset, FoldedPosition);
}

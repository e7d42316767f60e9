using StreamRec.Domain;

namespace StreamRec.Journal.Commits;

/// <summary>The writer's side of an engine: the tables of one transaction at a time, which commands change.</summary>
/// <remarks>Threading: the writer's thread only.</remarks>
internal abstract class JournalStore : IDisposable
{
    /// <summary>Where it is, for people.</summary>
    public abstract string Name { get; }

    /// <summary>Position of the newest segment, those of the running transaction included; 0 when there is none.</summary>
    public long Position { get; protected set; }

    /// <summary>Whether something waits to be stored that no command brings, such as item numbers.</summary>
    public abstract bool HasMore { get; }

    /// <summary>The partitions that the running transaction may concern, with what it has changed so far.</summary>
    protected Dictionary<SourcePartition, PartitionState> Partitions { get; } = [];

    /// <summary>Those of them that the transaction has changed.</summary>
    protected HashSet<PartitionState> ChangedPartitions { get; } = [];

    /// <summary>Begins a transaction for commands.</summary>
    /// <returns>False: the one before, whose outcome was unknown, turns out to be committed, and there is nothing to do.</returns>
    public abstract bool Begin(IReadOnlyList<WriteCommand> commands);

    /// <summary>The partition when the lease is its newest, else null.</summary>
    public PartitionState? Find(PartitionLease lease) =>
        Partitions.TryGetValue(lease.Source, out var partition) && partition.Epoch == lease.Epoch ? partition : null;

    /// <summary>The newest epoch, 0 when nobody ever acquired the partition.</summary>
    public long EpochOf(SourcePartition source) => Partitions.TryGetValue(source, out var partition) ? partition.Epoch : 0;

    public PartitionLease Acquire(SourcePartition source)
    {
        if (!Partitions.TryGetValue(source, out var partition))
        {
            partition = new PartitionState(AddPartition(source), source);
            Partitions.Add(source, partition);
        }

        partition.Epoch++;
        ChangedPartitions.Add(partition);
        return partition.Lease();
    }

    /// <summary>Adds a segment and moves the partition on; the segment's position.</summary>
    public long Append(PartitionState partition, Segment segment, ReadOnlySpan<byte> packed)
    {
        Position++;
        AddSegment(partition, segment, packed);
        partition.NextOffset = segment.NextOffset;
        Complete(partition, segment.CompletedOffset);
        return Position;
    }

    public abstract void SaveUser(ReadOnlySpan<byte> userId, ReadOnlySpan<byte> state);

    public void Fold(PartitionState partition, long foldedPosition, long completedOffset)
    {
        partition.FoldedPosition = Math.Max(partition.FoldedPosition, foldedPosition);
        Complete(partition, completedOffset);
    }

    /// <summary>Removes a user; a segment that cannot be read undoes this removal and nothing else.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="found">
    /// Positions of rows that name the user, among those up to <paramref name="searchedTo"/>; they may have been joined since.
    /// </param>
    /// <param name="searchedTo">Newer segments are searched here.</param>
    /// <param name="clean">As in <see cref="IJournal.ForgetAsync"/>.</param>
    /// <param name="at">For the receipt.</param>
    /// <exception cref="JournalCorruptException">A segment cannot be read.</exception>
    public abstract ForgetReceipt Forget(
        string userId, IReadOnlyList<long> found, long searchedTo, IReadOnlyCollection<PartitionLease> clean, DateTimeOffset at);

    public abstract void AddAudit(AuditRecord record);

    /// <summary>Durable on return.</summary>
    public abstract void Commit();

    /// <summary>After a commit: makes sure that nothing overwritten is left beside the tables; false when something prevents that.</summary>
    public abstract bool Erase();

    /// <summary>After a commit: what has to be done now and then, each time about as long as a commit takes.</summary>
    /// <returns>How many segments were joined with others.</returns>
    public abstract int Maintain();

    /// <summary>Something failed for good: changes nothing from here on, also not when it is closed.</summary>
    public abstract void Abandon();

    /// <summary>
    /// Whether a failed transaction may be begun again, now or later; whatever became of it, <see cref="Begin"/> finds out.
    /// </summary>
    public abstract bool MayBeginAgain(Exception failure);

    public abstract void Dispose();

    /// <summary>Gives a new partition its id.</summary>
    protected abstract long AddPartition(SourcePartition source);

    /// <summary>Stores a segment at <see cref="Position"/>.</summary>
    protected abstract void AddSegment(PartitionState partition, Segment segment, ReadOnlySpan<byte> packed);

    private void Complete(PartitionState partition, long completedOffset)
    {
        // Appends and saves of one shard may overtake each other; what was completed stays completed.
        partition.CompletedOffset = Math.Max(partition.CompletedOffset, completedOffset);
        ChangedPartitions.Add(partition);
    }
}

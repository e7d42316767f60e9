using StreamRec.Domain;

namespace StreamRec.Journal.Commits;

/// <summary>The writer's side of an engine: the tables of one transaction at a time, which commands change.</summary>
/// <remarks>Threading: the writer's thread only.</remarks>
internal interface IJournalStore : IDisposable
{
    /// <summary>Where it is, for people.</summary>
    string Name { get; }

    /// <summary>Position of the newest segment, those of the running transaction included; 0 when there is none.</summary>
    long Position { get; }

    /// <summary>Whether something waits to be stored that no command brings, such as item numbers.</summary>
    bool HasMore { get; }

    /// <summary>Begins a transaction for commands.</summary>
    /// <returns>False: the one before, whose outcome was unknown, turns out to be committed, and there is nothing to do.</returns>
    bool Begin(IReadOnlyList<WriteCommand> commands);

    /// <summary>The partition when the lease is its newest, else null.</summary>
    PartitionState? Find(PartitionLease lease);

    /// <summary>The newest epoch, 0 when nobody ever acquired the partition.</summary>
    long EpochOf(SourcePartition source);

    PartitionLease Acquire(SourcePartition source);

    /// <summary>Adds a segment and moves the partition on; the segment's position.</summary>
    long Append(PartitionState partition, Segment segment, ReadOnlySpan<byte> packed);

    void SaveUser(ReadOnlySpan<byte> userId, ReadOnlySpan<byte> state);

    void Fold(PartitionState partition, long foldedPosition, long completedOffset);

    /// <summary>Removes a user; a segment that cannot be read undoes this removal and nothing else.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="found">Segments that name the user, among those up to <paramref name="searchedTo"/>.</param>
    /// <param name="searchedTo">Newer segments are searched here.</param>
    /// <param name="at">For the receipt.</param>
    /// <exception cref="JournalCorruptException">A segment cannot be read.</exception>
    ForgetReceipt Forget(string userId, IReadOnlyList<long> found, long searchedTo, DateTimeOffset at);

    /// <summary>Durable on return.</summary>
    void Commit();

    /// <summary>After a commit: makes sure that nothing overwritten is left beside the tables; false when something prevents that.</summary>
    bool Erase();

    /// <summary>After a commit: what has to be done now and then.</summary>
    void Maintain();

    /// <summary>Something failed for good: changes nothing from here on, also not when it is closed.</summary>
    void Abandon();

    /// <summary>
    /// Whether a failed transaction may be begun again, now or later; whatever became of it, <see cref="Begin"/> finds out.
    /// </summary>
    bool MayBeginAgain(Exception failure);
}

namespace StreamRec.Domain;

/// <summary>One interaction as the journal keeps it.</summary>
/// <param name="User">Index into the segment's <see cref="Segment.Users"/>.</param>
/// <param name="Item">The catalogue's item number.</param>
/// <param name="Type">What was done.</param>
/// <param name="Offset">Offset in the source partition.</param>
/// <param name="TimestampMs">When, ms since 1970.</param>
/// <param name="Value">A rating or quantity; NaN when there is none.</param>
/// <param name="EventId">The producer's id, or null.</param>
public readonly record struct SegmentEntry(
    int User, int Item, InteractionType Type, long Offset, long TimestampMs, double Value, string? EventId);

/// <summary>What one shard turn appends in one piece: interactions in offset order and how far the source partition has come.</summary>
/// <param name="FirstOffset">The journal's position in the partition must equal this, or the append is refused.</param>
/// <param name="NextOffset">The partition's position after the append; above the last entry where records were duplicates or dead-lettered.</param>
/// <param name="CompletedOffset">Below it every record's list was published or superseded; stored with the append, so that a restart knows whom it still owes a list.</param>
/// <param name="Users">Distinct user ids of the entries.</param>
/// <param name="Entries">The interactions, offsets ascending. May be empty: the position moves all the same.</param>
public sealed record Segment(
    long FirstOffset, long NextOffset, long CompletedOffset, IReadOnlyList<string> Users, IReadOnlyList<SegmentEntry> Entries);

/// <summary>A segment as it is read back.</summary>
/// <param name="Position">Where it stands in the journal: strictly ascending over all partitions in commit order, from 1.</param>
/// <param name="Source">The partition that it came from.</param>
/// <param name="Segment">Its content.</param>
public sealed record StoredSegment(long Position, SourcePartition Source, Segment Segment);

/// <summary>The right to append to one source partition until somebody else acquires it.</summary>
/// <param name="Source">The partition.</param>
/// <param name="Epoch">The fencing epoch: raised by each acquisition, checked by each append and save.</param>
/// <param name="NextOffset">The journal's position in the partition: everything below is durable.</param>
/// <param name="CompletedOffset">At most NextOffset: everything below had its list published or superseded.</param>
/// <param name="FoldedPosition">Segments of this partition at or below this journal position are contained in the saved user states.</param>
public sealed record PartitionLease(SourcePartition Source, long Epoch, long NextOffset, long CompletedOffset, long FoldedPosition);

/// <summary>Figures for people.</summary>
/// <param name="Interactions">Interactions stored.</param>
/// <param name="Users">Users with a saved state; states are written behind, so the newest users are not counted yet.</param>
/// <param name="Items">Items with a number.</param>
/// <param name="Segments">Rows that hold the segments; small ones that are joined share one.</param>
/// <param name="Position">Position of the newest segment, 0 when empty.</param>
/// <param name="Bytes">Size on disk.</param>
public sealed record JournalStatistics(long Interactions, long Users, int Items, long Segments, long Position, long Bytes);

/// <summary>Proof that a user is gone.</summary>
/// <param name="UserFingerprint">SHA-256 of the user id, hexadecimal: the id itself is what must not be kept.</param>
/// <param name="Interactions">Interactions removed.</param>
/// <param name="Segments">Rows rewritten that hold segments.</param>
/// <param name="At">When.</param>
public sealed record ForgetReceipt(string UserFingerprint, long Interactions, int Segments, DateTimeOffset At);

/// <summary>Something that somebody may ask about years later: a user was forgotten, records were given up, a topic has grown.</summary>
/// <param name="At">When.</param>
/// <param name="Action">What, for machines.</param>
/// <param name="Detail">To what, for people. Without user ids.</param>
public sealed record AuditRecord(DateTimeOffset At, string Action, string Detail);

/// <summary>The durable truth: interactions, positions in the source, packed user states and item numbers.</summary>
/// <remarks>
/// Everything acknowledged survives kill -9 and power loss. Threading: every member from any thread.
/// An I/O error other than a refused append leaves the outcome unknown: the caller drops what it holds in memory and acquires again.
/// </remarks>
public interface IJournal : IAsyncDisposable
{
    /// <summary>The item numbers; loaded when the journal is opened.</summary>
    Catalogue Catalogue { get; }

    /// <summary>
    /// Why appends and reads wait instead of being answered, null while all is well. Nothing is lost meanwhile, and nothing has to be done here.
    /// </summary>
    string? WaitsBecause { get; }

    /// <summary>
    /// Whether other processes may write, too: then saved states may be older than what another process has in memory, and a lease may be
    /// taken away at any time.
    /// </summary>
    bool IsShared { get; }

    /// <summary>Gives numbers to item ids that have none. They are durable no later than the first append that follows.</summary>
    /// <exception cref="CatalogueFullException">The configured number of items is reached; ids before the one named may have been added.</exception>
    ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken);

    /// <summary>Takes over a source partition: its epoch rises by one, so that the former owner's appends are refused.</summary>
    ValueTask<PartitionLease> AcquireAsync(SourcePartition source, CancellationToken cancellationToken);

    /// <summary>
    /// The sources that have segments above their folded position: users' newest interactions that no saved state contains yet.
    /// Whoever opens and closes such a source folds them; a source whose log is gone for good is opened by nobody else.
    /// </summary>
    ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Appends and returns the segment's journal position once it is durable. Appends that wait together share one commit. The segment's lists must
    /// not change before that; afterwards they are the caller's again.
    /// </summary>
    /// <exception cref="FencedException">The lease is not the newest, or the partition's position is not <see cref="Segment.FirstOffset"/>.</exception>
    ValueTask<long> AppendAsync(PartitionLease lease, Segment segment, CancellationToken cancellationToken);

    /// <summary>The saved states of these users, in the order asked, null where there is none.</summary>
    ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken);

    /// <summary>A user's newest durable state, whoever has the user in memory: what was saved, and what was appended since.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="maxSequence">How many entries to keep, as in <see cref="BehaviorSequence.Apply"/>.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>Null when nothing is known.</returns>
    ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken);

    /// <summary>Whether nobody has acquired the partition since, or fenced its owner. True says nothing about the next moment.</summary>
    ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken);

    /// <summary>Saves user states, written behind the segments, and notes how far the partition is folded into them. Durable on return.</summary>
    /// <param name="lease">The owner's lease.</param>
    /// <param name="states">The states; read before the call returns to its caller, so they may change afterwards.</param>
    /// <param name="foldedPosition">Every segment of the partition at or below this position is contained in saved states.</param>
    /// <param name="completedOffset">As in <see cref="Segment.CompletedOffset"/>.</param>
    /// <param name="cancellationToken">Gives up waiting; the save may happen all the same.</param>
    /// <exception cref="FencedException">The lease is not the newest.</exception>
    ValueTask SaveUsersAsync(
        PartitionLease lease,
        IUserStates states,
        long foldedPosition,
        long completedOffset,
        CancellationToken cancellationToken);

    /// <summary>Segments above a position in ascending order, of one source partition or of all, up to the newest when reading begins.</summary>
    /// <exception cref="JournalCorruptException">A segment fails its checksum or cannot be read.</exception>
    IAsyncEnumerable<StoredSegment> ReadAsync(long afterPosition, SourcePartition? source, CancellationToken cancellationToken);

    /// <summary>
    /// The position behind which the newest records lie, as many as asked for or a few more, those without use counted like others; 0 when there
    /// are no more.
    /// </summary>
    /// <param name="records">1 or more.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken);

    /// <summary>Removes every trace of a user: segments are rewritten, the state is deleted, an audit record without the id stays.</summary>
    /// <remarks>
    /// Whoever has the user in memory would bring it back: owners in other processes of partitions in which the user was are fenced, and
    /// come back without the user.
    /// </remarks>
    /// <param name="userId">The user.</param>
    /// <param name="clean">This process's leases: the caller sees to it that the user is not in the memory behind them. These stay.</param>
    /// <param name="cancellationToken">Gives up waiting; the user may be forgotten all the same.</param>
    ValueTask<ForgetReceipt> ForgetAsync(string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken);

    /// <summary>Keeps a record for good. Durable on return.</summary>
    ValueTask AddAuditAsync(string action, string detail, CancellationToken cancellationToken);

    /// <summary>The newest records, newest first; those of one action when it is given.</summary>
    ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken);

    ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken);
}

/// <summary>A newer owner has the partition: what the caller holds of it in memory is void.</summary>
public sealed class FencedException(string message) : Exception(message);

/// <summary>The store holds something that it cannot have written; serving from it could show one user another's data.</summary>
public sealed class JournalCorruptException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The catalogue has reached <c>Journal:MaxItems</c>.</summary>
public sealed class CatalogueFullException(string message) : Exception(message);

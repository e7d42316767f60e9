using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StreamRec.Domain;
using StreamRec.Journal.Commits;
using StreamRec.Journal.Packing;
using StreamRec.Journal.Postgres;
using StreamRec.Journal.Sqlite;

namespace StreamRec.Journal;

/// <summary>What both engines share: packed segments, and one writer that commits everything that waits in one transaction.</summary>
/// <remarks>
/// Callers pack on their own threads, one thread writes (<see cref="CommitWriter"/>), a few connections read around it. What is acknowledged
/// is durable (see <see cref="JournalSynchronous"/>).
/// </remarks>
public abstract class SegmentJournal : IJournal
{
    private protected SegmentJournal(JournalOptions options, JournalStore store, Catalogue catalogue, TimeProvider time, ILogger logger)
    {
        MaxItems = options.MaxItems;
        Catalogue = catalogue;
        Time = time;
        Logger = logger;
        Writer = new CommitWriter(store, options.CommitQueue, time, logger);
    }

    /// <inheritdoc/>
    public Catalogue Catalogue { get; }

    /// <inheritdoc/>
    public abstract string? WaitsBecause { get; }

    /// <inheritdoc/>
    public abstract bool IsShared { get; }

    private protected CommitWriter Writer { get; }

    private protected TimeProvider Time { get; }

    private protected ILogger Logger { get; }

    /// <summary>Opens the journal that the options name, creating or migrating its tables.</summary>
    /// <param name="options">Which one.</param>
    /// <param name="access">Who else may have it open meanwhile.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="logger">The log.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="OptionsValidationException">A setting is outside its range.</exception>
    /// <exception cref="JournalInUseException">Another process has it, and one of the two wants it alone.</exception>
    /// <exception cref="JournalSchemaException">A newer build wrote it, or it is something else.</exception>
    /// <exception cref="JournalCorruptException">It is damaged.</exception>
    /// <exception cref="JournalUnreachableException">The database does not answer, or refuses this user.</exception>
    /// <exception cref="DllNotFoundException">SQLite is not installed.</exception>
    public static async Task<IJournal> OpenAsync(
        JournalOptions options, JournalAccess access, TimeProvider timeProvider, ILogger logger, CancellationToken cancellationToken)
    {
        var validation = new JournalOptionsValidator().Validate(null, options);
        if (validation.Failed)
        {
            throw new OptionsValidationException(JournalOptions.SectionName, typeof(JournalOptions), validation.Failures);
        }

        return options.ConnectionString is null
            ? await Task.Run(() => SqliteJournal.Open(options, timeProvider, logger), cancellationToken)
            : await PostgresJournal.ConnectAsync(options, access, timeProvider, logger, cancellationToken);
    }

    /// <inheritdoc/>
    public abstract ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<PartitionLease> AcquireAsync(SourcePartition source, CancellationToken cancellationToken) =>
        await Writer.SubmitAsync(new AcquireCommand(source), cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<long> AppendAsync(PartitionLease lease, Segment segment, CancellationToken cancellationToken)
    {
        foreach (var entry in segment.Entries)
        {
            if (entry.Item >= Catalogue.Count)
            {
                throw new ArgumentException($"Item number {entry.Item} was not given out; there are {Catalogue.Count}.", nameof(segment));
            }
        }

        return await Writer.SubmitAsync(new AppendCommand(lease, segment, SegmentCodec.Pack(segment)), cancellationToken);
    }

    /// <inheritdoc/>
    public abstract ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(
        IReadOnlyList<string> userIds, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public async ValueTask SaveUsersAsync(
        PartitionLease lease,
        IUserStates states,
        long foldedPosition,
        long completedOffset,
        CancellationToken cancellationToken) =>
        await Writer.SubmitAsync(SaveCommand.Pack(lease, states, foldedPosition, completedOffset), cancellationToken);

    /// <inheritdoc/>
    public abstract IAsyncEnumerable<StoredSegment> ReadAsync(
        long afterPosition, SourcePartition? source, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<ForgetReceipt> ForgetAsync(
        string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public async ValueTask AddAuditAsync(string action, string detail, CancellationToken cancellationToken) =>
        await Writer.SubmitAsync(new AuditCommand(new AuditRecord(Time.GetUtcNow(), action, detail)), cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>Items that may get a number.</summary>
    private protected int MaxItems { get; }

    /// <summary>Two ids that differ only in broken characters would be one id after the next start.</summary>
    /// <exception cref="ArgumentException">The id has one.</exception>
    private protected static void CheckId(string itemId) => _ = PackedWriter.StrictUtf8.GetByteCount(itemId);

    /// <summary>A saved state, and the interactions of its user in segments that it does not contain; null when there is neither.</summary>
    private protected static BehaviorSequence? Fold(
        string userId, BehaviorSequence? saved, IEnumerable<StoredSegment> unfolded, int maxSequence)
    {
        var state = saved ?? new BehaviorSequence(userId);
        foreach (var stored in unfolded.Where(stored => stored.Position > state.Position))
        {
            foreach (var entry in stored.Segment.Entries)
            {
                if (stored.Segment.Users[entry.User] == userId)
                {
                    state.Apply(entry.Item, entry.Type, entry.TimestampMs, entry.EventId, maxSequence);
                }
            }
        }

        return state.Count > 0 ? state : null;
    }

    private protected CatalogueFullException CatalogueFull(string itemId) => new(
        $"Item {itemId} gets no number: Journal:MaxItems is {MaxItems} and as many items have one. Raise it, up to {SequenceEntry.MaxItems}.");
}

using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>The journal in one SQLite file: everything that waits shares one synced commit, reads go around the writer.</summary>
/// <remarks>
/// Callers pack on their own threads, one thread writes (<see cref="CommitWriter"/>), a few connections read. What is acknowledged is
/// on disk (see <see cref="JournalSynchronous"/>). After a failed commit every member throws <see cref="JournalFailedException"/>.
/// </remarks>
public sealed class SqliteJournal : IJournal
{
    private readonly string _path;
    private readonly int _maxItems;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly JournalLock _lock;
    private readonly CommitWriter _writer;
    private readonly ReaderPool _readers;
    private readonly ResidueSearch _residue;
    private readonly Lock _catalogueGrowth = new();
    private int _disposed;

    private SqliteJournal(
        JournalOptions options,
        string path,
        JournalLock journalLock,
        ResidueSearch residue,
        SqliteStore store,
        Catalogue catalogue,
        TimeProvider time,
        ILogger logger)
    {
        _path = path;
        _maxItems = options.MaxItems;
        _time = time;
        _logger = logger;
        _lock = journalLock;
        _residue = residue;
        Catalogue = catalogue;
        _writer = new CommitWriter(store, path, options.CommitQueue, time, logger);
        _readers = new ReaderPool(path);
    }

    public Catalogue Catalogue { get; }

    /// <summary>Opens the journal, creating or migrating the file.</summary>
    /// <exception cref="OptionsValidationException">A setting is outside its range.</exception>
    /// <exception cref="JournalInUseException">Another journal has the file.</exception>
    /// <exception cref="JournalSchemaException">A newer build wrote the file, or it is something else.</exception>
    /// <exception cref="JournalCorruptException">The file is damaged.</exception>
    /// <exception cref="DllNotFoundException">SQLite is not installed.</exception>
    public static Task<SqliteJournal> OpenAsync(
        JournalOptions options, TimeProvider timeProvider, ILogger logger, CancellationToken cancellationToken)
    {
        var validation = new JournalOptionsValidator().Validate(null, options);
        return validation.Failed
            ? throw new OptionsValidationException(JournalOptions.SectionName, typeof(JournalOptions), validation.Failures)
            : Task.Run(() => Open(options, timeProvider, logger), cancellationToken);
    }

    public ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken)
    {
        _writer.ThrowIfUnusable();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_catalogueGrowth)
        {
            foreach (var itemId in itemIds)
            {
                AddItem(itemId);
            }
        }

        return ValueTask.CompletedTask;
    }

    public async ValueTask<PartitionLease> AcquireAsync(SourcePartition source, CancellationToken cancellationToken) =>
        await _writer.SubmitAsync(new AcquireCommand(source), cancellationToken);

    public async ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken)
    {
        _writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.UnfoldedSources(), cancellationToken);
    }

    public async ValueTask<long> AppendAsync(PartitionLease lease, Segment segment, CancellationToken cancellationToken)
    {
        foreach (var entry in segment.Entries)
        {
            if (entry.Item >= Catalogue.Count)
            {
                throw new ArgumentException($"Item number {entry.Item} was not given out; there are {Catalogue.Count}.", nameof(segment));
            }
        }

        return await _writer.SubmitAsync(new AppendCommand(lease, segment, SegmentCodec.Pack(segment)), cancellationToken);
    }

    public async ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(
        IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        _writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.LoadUsers(userIds, cancellationToken), cancellationToken);
    }

    public async ValueTask SaveUsersAsync(
        PartitionLease lease,
        IReadOnlyCollection<BehaviorSequence> sequences,
        long foldedPosition,
        long completedOffset,
        CancellationToken cancellationToken) =>
        await _writer.SubmitAsync(SaveCommand.Pack(lease, sequences, foldedPosition, completedOffset), cancellationToken);

    public IAsyncEnumerable<StoredSegment> ReadAsync(long afterPosition, SourcePartition? source, CancellationToken cancellationToken)
    {
        _writer.ThrowIfUnusable();
        return ReadAsync(afterPosition, _writer.Position, source, cancellationToken);
    }

    public async ValueTask<ForgetReceipt> ForgetAsync(string userId, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(userId);
        _writer.ThrowIfUnusable();
        var searchedTo = _writer.Position;
        var found = await _readers.ReadAsync(reader => reader.SegmentsOf(userId, searchedTo, cancellationToken), cancellationToken);
        var receipt = await _writer.SubmitAsync(new ForgetCommand(userId, found, searchedTo, _time.GetUtcNow()), cancellationToken);
        if (await Task.Run(() => _residue.Finds(PackedWriter.StrictUtf8.GetBytes(userId), cancellationToken), cancellationToken))
        {
            await _writer.SubmitAsync(new RebuildUsersCommand(), cancellationToken);
        }

        _logger.Forgotten(receipt.UserFingerprint, receipt.Interactions, receipt.Segments);
        return receipt;
    }

    public async ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken)
    {
        _writer.ThrowIfUnusable();
        var (interactions, users, segments) = await _readers.ReadAsync(reader => reader.Totals(), cancellationToken);
        return new JournalStatistics(interactions, users, Catalogue.Count, segments, _writer.Position, BytesOnDisk());
    }

    /// <summary>Commits what waits, waits for readers and closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _writer.StopAsync();
        await _readers.DisposeAsync();
        await _writer.DisposeAsync();
        _residue.Dispose();
        _lock.Dispose();
        _logger.Closed(_path);
    }

    private static SqliteJournal Open(JournalOptions options, TimeProvider timeProvider, ILogger logger)
    {
        var path = Path.GetFullPath(options.Path);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var journalLock = JournalLock.Take(path);
        SqliteDatabase? database = null;
        try
        {
            database = SqliteDatabase.OpenWriter(path, options.Synchronous);
            var (from, to) = SqliteSchema.Migrate(database, path, SqliteSchema.Migrations);
            if (from > 0 && from < to)
            {
                logger.Migrated(path, from, to);
            }

            var catalogue = new Catalogue();
            var store = new SqliteStore(database, catalogue);
            logger.Opened(path, SqliteDatabase.LibraryVersion, catalogue.Count, store.Position);
            return new SqliteJournal(options, path, journalLock, new ResidueSearch(path), store, catalogue, timeProvider, logger);
        }
        catch
        {
            database?.Dispose();
            journalLock.Dispose();
            throw;
        }
    }

    private void AddItem(string itemId)
    {
        if (Catalogue.TryGetNumber(itemId, out _))
        {
            return;
        }

        if (Catalogue.Count >= _maxItems)
        {
            throw new CatalogueFullException(
                $"Item {itemId} gets no number: Journal:MaxItems is {_maxItems} and as many items have one. "
                + $"Raise it, up to {SequenceEntry.MaxItems}.");
        }

        // Two ids that differ only in broken characters would be one id after the next start.
        _ = PackedWriter.StrictUtf8.GetByteCount(itemId);
        Catalogue.Add(itemId);
    }

    private async IAsyncEnumerable<StoredSegment> ReadAsync(
        long afterPosition, long upToPosition, SourcePartition? source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A chunk at a time: between chunks no snapshot is held, however slowly the caller reads.
        while (afterPosition < upToPosition)
        {
            _writer.ThrowIfUnusable();
            var from = afterPosition;
            var chunk = await _readers.ReadAsync(reader => reader.ReadSegments(from, upToPosition, source), cancellationToken);
            foreach (var segment in chunk)
            {
                yield return segment;
            }

            afterPosition = chunk.Count == 0 ? upToPosition : chunk[^1].Position;
        }
    }

    private long BytesOnDisk() =>
        new[] { _path, _path + "-wal", _path + "-shm" }.Select(file => new FileInfo(file)).Where(file => file.Exists)
            .Sum(file => file.Length);
}

using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Journal.Commits;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>The journal in one SQLite file, of which this process is the only writer.</summary>
/// <remarks>After a failed commit every member throws <see cref="JournalFailedException"/>.</remarks>
internal sealed class SqliteJournal : SegmentJournal
{
    private readonly string _path;
    private readonly JournalLock _lock;
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
        : base(options, store, catalogue, time, logger)
    {
        _path = path;
        _lock = journalLock;
        _residue = residue;
        _readers = new ReaderPool(path);
    }

    /// <inheritdoc cref="SegmentJournal.OpenAsync"/>
    public static SqliteJournal Open(JournalOptions options, TimeProvider timeProvider, ILogger logger)
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
            var store = new SqliteStore(database, path, options.JoinSegments, catalogue, logger);
            logger.Opened(path, $"SQLite {SqliteDatabase.LibraryVersion}", catalogue.Count, store.Position);
            return new SqliteJournal(options, path, journalLock, new ResidueSearch(path), store, catalogue, timeProvider, logger);
        }
        catch (SqliteException failure)
        {
            database?.LeaveWriteAheadLog();
            Close();
            throw new JournalFailedException(
                $"Journal {path} cannot be opened: {failure.Message} Make sure that its disk has room and answers, then start again.", failure);
        }
        catch
        {
            Close();
            throw;
        }

        void Close()
        {
            database?.Dispose();
            journalLock.Dispose();
        }
    }

    /// <inheritdoc/>
    /// <remarks>Never: after a failure the file has to be reopened.</remarks>
    public override string? WaitsBecause => null;

    /// <inheritdoc/>
    public override bool IsShared => false;

    /// <inheritdoc/>
    public override ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
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

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.UnfoldedSources(), cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(
        IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.LoadUsers(userIds, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        var (saved, unfolded) = await _readers.ReadAsync(reader => reader.ReadUser(userId, cancellationToken), cancellationToken);
        return Fold(userId, saved, unfolded, maxSequence);
    }

    /// <inheritdoc/>
    public override async ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.EpochOf(lease.Source) == lease.Epoch, cancellationToken);
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoredSegment> ReadAsync(long afterPosition, SourcePartition? source, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return ReadAsync(afterPosition, Writer.Position, source, cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.FindNewest(records, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<ForgetReceipt> ForgetAsync(
        string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(userId);
        Writer.ThrowIfUnusable();
        var searchedTo = Writer.Position;
        var found = await _readers.ReadAsync(reader => reader.SegmentsOf(userId, searchedTo, cancellationToken), cancellationToken);
        var receipt = await Writer.SubmitAsync(new ForgetCommand(userId, found, searchedTo, clean, Time.GetUtcNow()), cancellationToken);
        if (await Task.Run(() => _residue.Finds(PackedWriter.StrictUtf8.GetBytes(userId), cancellationToken), cancellationToken))
        {
            await Writer.SubmitAsync(new RebuildUsersCommand(), cancellationToken);
        }

        Logger.Forgotten(receipt.UserFingerprint, receipt.Interactions, receipt.Segments);
        return receipt;
    }

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _readers.ReadAsync(reader => reader.Audit(action, newest), cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        var (interactions, users, segments) = await _readers.ReadAsync(reader => reader.Totals(), cancellationToken);
        return new JournalStatistics(interactions, users, Catalogue.Count, segments, Writer.Position, BytesOnDisk());
    }

    /// <summary>Commits what waits, waits for readers and closes the file.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await Writer.StopAsync();
        await _readers.DisposeAsync();
        await Writer.DisposeAsync();
        _residue.Dispose();
        _lock.Dispose();
        Logger.Closed(_path);
    }

    private void AddItem(string itemId)
    {
        if (Catalogue.TryGetNumber(itemId, out _))
        {
            return;
        }

        CheckId(itemId);
        if (Catalogue.Count >= MaxItems)
        {
            throw CatalogueFull(itemId);
        }

        Catalogue.Add(itemId);
    }

    private async IAsyncEnumerable<StoredSegment> ReadAsync(
        long afterPosition, long upToPosition, SourcePartition? source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A chunk at a time: between chunks no snapshot is held, however slowly the caller reads, and segments may be joined.
        while (afterPosition < upToPosition)
        {
            Writer.ThrowIfUnusable();
            var from = afterPosition;
            (var chunk, afterPosition) = await _readers.ReadAsync(reader => reader.ReadSegments(from, upToPosition, source), cancellationToken);
            foreach (var segment in chunk)
            {
                yield return segment;
            }
        }
    }

    private long BytesOnDisk() =>
        new[] { _path, _path + "-wal", _path + "-shm" }.Select(file => new FileInfo(file)).Where(file => file.Exists)
            .Sum(file => file.Length);
}

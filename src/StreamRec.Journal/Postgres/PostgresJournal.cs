using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal.Commits;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Postgres;

/// <summary>The journal in a PostgreSQL database that several nodes share.</summary>
/// <remarks>
/// While the database is away everything waits, as <see cref="WaitsBecause"/> says, and goes on by itself; nothing fails for that. A commit
/// whose outcome is unknown is settled by asking the database. Item numbers of other nodes are read when something names them.
/// </remarks>
internal sealed class PostgresJournal : SegmentJournal
{
    private readonly PostgresDatabase _database;
    [SuppressMessage("Usage", "CA2213", Justification = "Somebody may still be waiting, and it holds nothing to free while nobody asks for its wait handle.")]
    private readonly SemaphoreSlim _catalogueGrowth = new(1);
    private int _disposed;

    private PostgresJournal(
        JournalOptions options, PostgresDatabase database, PostgresStore store, Catalogue catalogue, TimeProvider time, ILogger logger)
        : base(options, store, catalogue, time, logger)
    {
        _database = database;
        IsShared = database.Access == JournalAccess.Shared;
    }

    /// <inheritdoc/>
    public override string? WaitsBecause => Writer.WaitsBecause ?? _database.WaitsBecause;

    /// <inheritdoc/>
    public override bool IsShared { get; }

    /// <inheritdoc cref="SegmentJournal.OpenAsync"/>
    /// <remarks>Waits for a database that does not answer.</remarks>
    public static async Task<PostgresJournal> ConnectAsync(
        JournalOptions options, JournalAccess access, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var database = new PostgresDatabase(options, access, time, logger);
        NpgsqlConnection? writer = null;
        try
        {
            writer = await database.OpenFirstWriterAsync(cancellationToken);
            var catalogue = new Catalogue();
            var (position, version) = await database.RunAsync(
                async (connection, cancellation) =>
                {
                    var (from, to) = await PostgresSchema.MigrateAsync(connection, database, cancellation);
                    if (from > 0 && from < to)
                    {
                        logger.Migrated(database.Name, from, to);
                    }

                    if (access == JournalAccess.Exclusive)
                    {
                        // Servers that lost their connections, and with them the lock, while they had nothing to write, still have users in memory.
                        await Sql.RunAsync(connection, "UPDATE partitions SET epoch = epoch + 1", cancellation);
                    }

                    await Sql.RunAsync(connection, "DELETE FROM writers WHERE at < now() - interval '30 days'", cancellation);
                    await PostgresCatalogue.ReadNewAsync(connection, catalogue, cancellation);
                    return (await PostgresReader.PositionAsync(connection, cancellation), connection.PostgreSqlVersion);
                },
                cancellationToken);
            logger.Opened(database.Name, $"PostgreSQL {version}", catalogue.Count, position);
            return new PostgresJournal(options, database, new PostgresStore(database, writer, options.JoinSegments, position), catalogue, time, logger);
        }
        catch (NpgsqlException e)
        {
            writer?.Dispose();
            await database.DisposeAsync();
            throw new JournalUnreachableException(
                $"{database.Name} refuses {database.User}: {e.Message} Check Journal:ConnectionString; the user needs "
                + "CREATE on the database, or on the schema when that exists.",
                e);
        }
        catch
        {
            writer?.Dispose();
            await database.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        await _catalogueGrowth.WaitAsync(cancellationToken);
        try
        {
            string[] wanted = [.. itemIds.Distinct(StringComparer.Ordinal).Where(itemId => !Catalogue.TryGetNumber(itemId, out _))];
            if (wanted.Length == 0)
            {
                return;
            }

            foreach (var itemId in wanted)
            {
                CheckId(itemId);
            }

            var tooMany = await _database.RunAsync(
                (connection, cancellation) => PostgresCatalogue.AddAsync(connection, Catalogue, wanted, MaxItems, cancellation), cancellationToken);
            if (tooMany is not null)
            {
                throw CatalogueFull(tooMany);
            }
        }
        finally
        {
            _catalogueGrowth.Release();
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _database.RunAsync(PostgresReader.UnfoldedSourcesAsync, cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(
        IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        var found = new Dictionary<string, BehaviorSequence>(StringComparer.Ordinal);
        foreach (var some in userIds.Distinct(StringComparer.Ordinal).Chunk(PostgresReader.UsersPerRead))
        {
            foreach (var sequence in await _database.RunAsync(
                (connection, cancellation) => PostgresReader.LoadUsersAsync(connection, some, cancellation), cancellationToken))
            {
                found.Add(sequence.UserId, sequence);
            }
        }

        await KnowItemsAsync(found.Values.Select(LargestItem).DefaultIfEmpty(-1).Max(), cancellationToken);
        return [.. userIds.Select(found.GetValueOrDefault)];
    }

    /// <inheritdoc/>
    public override async ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        var (saved, unfolded) = await _database.RunAsync(
            (connection, cancellation) => PostgresReader.ReadUserAsync(connection, userId, cancellation), cancellationToken);
        var user = Fold(userId, saved, unfolded, maxSequence);
        await KnowItemsAsync(user is null ? -1 : LargestItem(user), cancellationToken);
        return user;
    }

    /// <inheritdoc/>
    public override async ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return lease.Epoch == await _database.RunAsync(
            (connection, cancellation) => PostgresReader.EpochAsync(connection, lease.Source, cancellation), cancellationToken);
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoredSegment> ReadAsync(
        long afterPosition, SourcePartition? source, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return ReadChunksAsync(afterPosition, source, cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _database.RunAsync(
            (connection, cancellation) => PostgresReader.FindNewestAsync(connection, records, cancellation), cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<ForgetReceipt> ForgetAsync(
        string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(userId);
        Writer.ThrowIfUnusable();
        var utf8 = PackedWriter.StrictUtf8.GetBytes(userId);
        var upTo = await _database.RunAsync(PostgresReader.PositionAsync, cancellationToken);
        var found = new List<long>();
        for (var searchedTo = 0L; searchedTo < upTo;)
        {
            var from = searchedTo;
            (var some, searchedTo) = await _database.RunAsync(
                (connection, cancellation) => PostgresReader.SegmentsOfAsync(connection, utf8, from, upTo, cancellation), cancellationToken);
            found.AddRange(some);
        }

        var receipt = await Writer.SubmitAsync(new ForgetCommand(userId, found, upTo, clean, Time.GetUtcNow()), cancellationToken);
        Logger.Forgotten(receipt.UserFingerprint, receipt.Interactions, receipt.Segments);
        return receipt;
    }

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _database.RunAsync(
            (connection, cancellation) => PostgresReader.AuditAsync(connection, action, newest, cancellation), cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken)
    {
        Writer.ThrowIfUnusable();
        return await _database.RunAsync(
            (connection, cancellation) => PostgresReader.StatisticsAsync(connection, Catalogue.Count, cancellation), cancellationToken);
    }

    /// <summary>Commits what waits, unless the database is away, and closes the connections.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await Writer.DisposeAsync();
        await _database.DisposeAsync();
        Logger.Closed(_database.Name);
    }

    // At the first step, not at the call: what the caller does in between is part of what it reads, as long as it is durable.
    private async IAsyncEnumerable<StoredSegment> ReadChunksAsync(
        long afterPosition, SourcePartition? source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var upTo = await _database.RunAsync(PostgresReader.PositionAsync, cancellationToken);
        while (afterPosition < upTo)
        {
            Writer.ThrowIfUnusable();
            var from = afterPosition;
            (var chunk, afterPosition) = await _database.RunAsync(
                (connection, cancellation) => PostgresReader.ReadSegmentsAsync(connection, from, upTo, source, cancellation), cancellationToken);
            await KnowItemsAsync(chunk.SelectMany(segment => segment.Segment.Entries).Max(entry => (int?)entry.Item) ?? -1, cancellationToken);
            foreach (var segment in chunk)
            {
                yield return segment;
            }
        }
    }

    /// <summary>Reads the numbers that other nodes gave out, when one of them is met.</summary>
    private async Task KnowItemsAsync(int largest, CancellationToken cancellationToken)
    {
        if (largest < Catalogue.Count)
        {
            return;
        }

        await _catalogueGrowth.WaitAsync(cancellationToken);
        try
        {
            await _database.RunAsync(
                (connection, cancellation) => PostgresCatalogue.ReadNewAsync(connection, Catalogue, cancellation), cancellationToken);
        }
        finally
        {
            _catalogueGrowth.Release();
        }

        if (largest >= Catalogue.Count)
        {
            throw new JournalCorruptException($"Item number {largest} is stored, but only {Catalogue.Count} were given out. Restore the journal from a backup.");
        }
    }

    private static int LargestItem(BehaviorSequence sequence)
    {
        var largest = -1;
        foreach (var entry in sequence.Entries)
        {
            largest = Math.Max(largest, entry.Item);
        }

        return largest;
    }
}

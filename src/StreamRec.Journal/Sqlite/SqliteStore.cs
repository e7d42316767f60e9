using System.Globalization;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Journal.Commits;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>
/// The writer's side of the tables: prepared statements, and in memory the partitions, the totals and the newest position.
/// </summary>
/// <remarks>
/// What a transaction changes in memory is written to the tables once, before it commits. When the commit fails, memory and tables
/// differ and the journal is unusable. Threading: the writer's thread only, but for the constructor.
/// </remarks>
internal sealed partial class SqliteStore : JournalStore
{
    private const int CheckpointPages = 8 * 1024 * 1024 / SqliteDatabase.PageBytes;

    private static readonly TimeSpan CheckpointPatience = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ErasePatience = TimeSpan.FromSeconds(1);

    private readonly SqliteDatabase _database;
    private readonly Catalogue _catalogue;
    private readonly ILogger _logger;
    private readonly SqliteStatement _begin;
    private readonly SqliteStatement _commit;
    private readonly SqliteStatement _insertItem;
    private readonly SqliteStatement _insertSegment;
    private readonly SqliteStatement _insertRecent;
    private readonly SqliteStatement _updateUser;
    private readonly SqliteStatement _insertUser;
    private readonly SqliteStatement _writePartition;
    private readonly SqliteStatement _writeTotal;
    private readonly SqliteStatement _insertAudit;
    private readonly int _joinSegments;
    private int _persistedItems;
    private Totals _totals;
    private Totals _writtenTotals;
    private int _pagesSinceCheckpoint;
    private int _nextCheckpoint = CheckpointPages;

    /// <param name="database">The one connection that writes; closed with the store.</param>
    /// <param name="path">The file.</param>
    /// <param name="joinSegments"><see cref="JournalOptions.JoinSegments"/></param>
    /// <param name="catalogue">Gets the numbers that the file has.</param>
    /// <param name="logger">The log.</param>
    public SqliteStore(SqliteDatabase database, string path, int joinSegments, Catalogue catalogue, ILogger logger)
    {
        Name = path;
        _joinSegments = joinSegments;
        _logger = logger;
        _database = database;
        _catalogue = catalogue;
        _begin = database.Prepare("BEGIN IMMEDIATE");
        _commit = database.Prepare("COMMIT");
        _insertItem = database.Prepare("INSERT INTO items (number, item_id) VALUES (?1, ?2)");
        _insertSegment = database.Prepare(
            "INSERT INTO segments (position, partition, first_offset, next_offset, payload) VALUES (?1, ?2, ?3, ?4, ?5)");
        _insertRecent = database.Prepare(
            "INSERT INTO recent (position, partition, first_offset, next_offset, payload) VALUES (?1, ?2, ?3, ?4, ?5)");
        _insertJoined = database.Prepare(
            """
            INSERT INTO joined (position, last_position, partition, first_offset, next_offset, payload)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            """);
        _countFolded = database.Prepare(
            "SELECT COUNT(*) FROM partitions p JOIN recent r ON r.partition = p.id AND r.position <= p.folded_position");
        _readRecent = database.Prepare(
            """
            SELECT r.position, r.partition, r.first_offset, r.next_offset, r.payload, r.position <= p.folded_position
            FROM recent r JOIN partitions p ON p.id = r.partition ORDER BY r.partition, r.position
            """);
        _clearRecent = database.Prepare("DELETE FROM recent");
        _updateUser = database.Prepare("UPDATE users SET state = ?2 WHERE user_id = ?1");
        _insertUser = database.Prepare("INSERT INTO users (user_id, state) VALUES (?1, ?2)");
        _writePartition = database.Prepare(
            """
            INSERT INTO partitions (id, topic, log, partition, epoch, next_offset, completed_offset, folded_position)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch,
                next_offset = excluded.next_offset, completed_offset = excluded.completed_offset, folded_position = excluded.folded_position
            """);
        _writeTotal = database.Prepare("UPDATE meta SET value = ?2 WHERE key = ?1");
        _deleteUser = database.Prepare("DELETE FROM users WHERE user_id = ?1");
        _findSegments = database.Prepare(
            $"""
            SELECT position, payload FROM segments WHERE position > ?1 UNION ALL SELECT position, payload FROM recent WHERE position > ?1
            UNION ALL SELECT position, payload FROM joined WHERE position > ?1 - {SegmentJoin.MaxSpan} AND last_position > ?1
            """);
        _readSegments = database.Prepare(
            $"""
            SELECT 'segments', position, payload FROM segments WHERE position = ?1
            UNION ALL SELECT 'recent', position, payload FROM recent WHERE position = ?1
            UNION ALL SELECT 'joined', id, payload FROM joined
            WHERE position > ?1 - {SegmentJoin.MaxSpan} AND position <= ?1 AND last_position >= ?1
            """);
        _insertAudit = database.Prepare("INSERT INTO audit (at, action, detail) VALUES (?1, ?2, ?3)");
        LoadItems();
        LoadPartitions();
        LoadTotals();
        _recent = _database.Int64("SELECT COUNT(*) FROM recent");
        _nextJoin = joinSegments;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    /// <remarks>Items have numbers that are not in the table yet.</remarks>
    public override bool HasMore => _persistedItems < _catalogue.Count;

    /// <inheritdoc/>
    public override bool Begin(IReadOnlyList<WriteCommand> commands)
    {
        _begin.Run();

        // Every number given out so far: a segment of this transaction may use it.
        for (var count = _catalogue.Count; _persistedItems < count; _persistedItems++)
        {
            _insertItem.Bind(1, _persistedItems).BindText(2, _catalogue[_persistedItems].Id).Run();
        }

        return true;
    }

    /// <inheritdoc/>
    public override void SaveUser(ReadOnlySpan<byte> userId, ReadOnlySpan<byte> state)
    {
        if (_updateUser.BindText(1, userId).BindBlob(2, state).Run() == 0)
        {
            _insertUser.BindText(1, userId).BindBlob(2, state).Run();
            _totals.Users++;
        }
    }

    /// <inheritdoc/>
    public override void AddAudit(AuditRecord record) =>
        _insertAudit.BindText(1, record.At.ToString("O", CultureInfo.InvariantCulture)).BindText(2, record.Action).BindText(3, record.Detail).Run();

    /// <inheritdoc/>
    public override void Commit()
    {
        WriteChanges();
        _commit.Run();
        _pagesSinceCheckpoint += _database.TakePagesWritten();
    }

    /// <inheritdoc/>
    /// <remarks>Empties the write-ahead log, so that nothing overwritten is left in it; a reader may prevent that.</remarks>
    public override bool Erase() => _database.Checkpoint(ErasePatience);

    /// <inheritdoc/>
    /// <remarks>Joins small segments, and copies the write-ahead log into the database file when it has grown.</remarks>
    public override int Maintain()
    {
        var joined = JoinSegments();
        FoldWriteAheadLog();
        return joined;
    }

    /// <inheritdoc/>
    public override void Abandon() => _database.LeaveWriteAheadLog();

    /// <inheritdoc/>
    /// <remarks>Never: the system may have dropped what a failed sync was to write, and say of the next one that all is well.</remarks>
    public override bool MayBeginAgain(Exception failure) => false;

    public override void Dispose() => _database.Dispose();

    /// <inheritdoc/>
    protected override long AddPartition(SourcePartition source) => Partitions.Count + 1;

    /// <inheritdoc/>
    protected override void AddSegment(PartitionState partition, Segment segment, ReadOnlySpan<byte> packed)
    {
        var insert = TakesRecent(packed.Length) ? _insertRecent : _insertSegment;
        insert.Bind(1, Position).Bind(2, partition.Id).Bind(3, segment.FirstOffset).Bind(4, segment.NextOffset).BindBlob(5, packed).Run();
        _totals.Segments++;
        _totals.Interactions += segment.Entries.Count;
    }

    private void FoldWriteAheadLog()
    {
        if (_pagesSinceCheckpoint < _nextCheckpoint)
        {
            return;
        }

        // Our readers keep part of the log for as long as they read a chunk, so the next time gets it, and past four times a short
        // wait. Somebody else's may keep it for an hour: then commits go on, and the log grows until it ends.
        var isLong = _pagesSinceCheckpoint >= 4 * CheckpointPages;
        if (_database.Checkpoint(isLong ? CheckpointPatience : TimeSpan.Zero))
        {
            _pagesSinceCheckpoint = 0;
            _nextCheckpoint = CheckpointPages;
            return;
        }

        _nextCheckpoint = _pagesSinceCheckpoint + CheckpointPages;
        if (isLong)
        {
            _logger.WriteAheadLogHeld(_pagesSinceCheckpoint);
        }
    }

    /// <summary>Partitions and totals that the transaction changed, each once however many commands it has.</summary>
    private void WriteChanges()
    {
        foreach (var partition in ChangedPartitions)
        {
            _writePartition.Bind(1, partition.Id).BindText(2, partition.Source.Topic).BindText(3, partition.Source.Log)
                .Bind(4, partition.Source.Partition).Bind(5, partition.Epoch).Bind(6, partition.NextOffset)
                .Bind(7, partition.CompletedOffset).Bind(8, partition.FoldedPosition).Run();
        }

        ChangedPartitions.Clear();
        WriteTotal("interactions", _totals.Interactions, _writtenTotals.Interactions);
        WriteTotal("segments", _totals.Segments, _writtenTotals.Segments);
        WriteTotal("users", _totals.Users, _writtenTotals.Users);
        _writtenTotals = _totals;
    }

    private void WriteTotal(string key, long value, long written)
    {
        if (value != written)
        {
            _writeTotal.BindText(1, key).Bind(2, value).Run();
        }
    }

    private void LoadItems()
    {
        var items = _database.Prepare("SELECT number, item_id FROM items ORDER BY number");
        while (items.Step())
        {
            var (number, id) = (items.Int64(0), items.Text(1));
            if (_catalogue.Add(id) != number)
            {
                throw new JournalCorruptException(
                    $"Item number {number} is not the next one after {_persistedItems - 1}. Restore the journal from a backup.");
            }

            _persistedItems++;
        }
    }

    private void LoadPartitions()
    {
        var rows = _database.Prepare(
            "SELECT id, topic, log, partition, epoch, next_offset, completed_offset, folded_position FROM partitions ORDER BY id");
        while (rows.Step())
        {
            var source = new SourcePartition(rows.Text(1), rows.Text(2), (int)rows.Int64(3));
            Partitions.Add(source, new PartitionState(rows.Int64(0), source)
            {
                Epoch = rows.Int64(4),
                NextOffset = rows.Int64(5),
                CompletedOffset = rows.Int64(6),
                FoldedPosition = rows.Int64(7),
            });
        }
    }

    private void LoadTotals()
    {
        Position = _database.Int64(
            $"""
            SELECT MAX(coalesce((SELECT MAX(position) FROM segments), 0), coalesce((SELECT MAX(position) FROM recent), 0), coalesce((
                SELECT MAX(last_position) FROM joined WHERE position > (SELECT MAX(position) FROM joined) - {SegmentJoin.MaxSpan}), 0))
            """);
        _totals = new Totals
        {
            Interactions = _database.Int64("SELECT value FROM meta WHERE key = 'interactions'"),
            Segments = _database.Int64("SELECT value FROM meta WHERE key = 'segments'"),
            Users = _database.Int64("SELECT value FROM meta WHERE key = 'users'"),
        };
        _writtenTotals = _totals;
    }

    private struct Totals
    {
        public long Interactions;
        public long Segments;
        public long Users;
    }
}

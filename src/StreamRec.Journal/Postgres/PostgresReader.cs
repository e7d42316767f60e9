using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Postgres;

/// <summary>Reads: each on a connection of the pool, a bounded piece at a time.</summary>
internal static class PostgresReader
{
    public const int UsersPerRead = 4096;
    private const int SearchedAtOnce = 64;
    private const string OfSource = " AND s.partition = (SELECT id FROM partitions WHERE topic = $4 AND log = $5 AND partition = $6)";
    private const string RowColumns =
        "s.position, coalesce(s.last_position, s.position) AS last_position, p.topic, p.log, p.partition, s.first_offset, s.next_offset, s.payload";

    public static Task<long> PositionAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        Sql.ScalarAsync<long>(connection, "SELECT position FROM journal", cancellationToken);

    /// <summary>The states found of at most <see cref="UsersPerRead"/> users.</summary>
    public static async Task<List<BehaviorSequence>> LoadUsersAsync(
        NpgsqlConnection connection, IEnumerable<string> userIds, CancellationToken cancellationToken)
    {
        var found = new List<BehaviorSequence>();
        await using var command = Sql.Command(
            connection, "SELECT user_id, state FROM users WHERE user_id = ANY ($1)", (object)userIds.Select(PackedWriter.StrictUtf8.GetBytes).ToArray());
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            var userId = Sql.Bytes(rows, 0);
            found.Add(SequenceCodec.Unpack(PackedWriter.StrictUtf8.GetString(userId), userId, Sql.Bytes(rows, 1)));
        }

        return found;
    }

    /// <summary>The next few segments above a position, and the position behind which the next ones begin.</summary>
    public static async Task<(IReadOnlyList<StoredSegment> Segments, long ReadTo)> ReadSegmentsAsync(
        NpgsqlConnection connection, long afterPosition, long upToPosition, SourcePartition? source, CancellationToken cancellationToken)
    {
        // Rows that reach over the position, and those that begin above it: one statement, so that none is joined in between.
        var ofSource = source is null ? "" : OfSource;
        await using var command = Sql.Command(
            connection,
            $"""
            SELECT {RowColumns} FROM segments s JOIN partitions p ON p.id = s.partition
            WHERE s.position > $1 - {SegmentJoin.MaxSpan} AND s.position <= $1 AND s.last_position > $1{ofSource}
            UNION ALL
            (SELECT {RowColumns} FROM segments s JOIN partitions p ON p.id = s.partition
            WHERE s.position > $1 AND s.position <= $2{ofSource} ORDER BY s.position LIMIT $3)
            ORDER BY position
            """,
            source is { } partition
                ? [afterPosition, upToPosition, SegmentChunk.MaxRows, partition.Topic, partition.Log, partition.Partition]
                : [afterPosition, upToPosition, SegmentChunk.MaxRows]);

        var chunk = new SegmentChunk(afterPosition, upToPosition);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (!chunk.IsFull && await rows.ReadAsync(cancellationToken))
        {
            chunk.Add(RowOf(rows), SourceOf(rows), Sql.Bytes(rows, 7));
        }

        return chunk.Take();
    }

    /// <summary>A user's saved state, and the segments naming the user that saved states do not contain yet, as of one moment.</summary>
    public static async Task<(BehaviorSequence? Saved, List<StoredSegment> Unfolded)> ReadUserAsync(
        NpgsqlConnection connection, string userId, CancellationToken cancellationToken)
    {
        var utf8 = PackedWriter.StrictUtf8.GetBytes(userId);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Sql.InBatch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
        batch.BatchCommands.Add(Sql.InBatch("SELECT state FROM users WHERE user_id = $1", utf8));
        // Partition by partition, which OFFSET 0 makes sure of: the planner takes a third of all segments for unfolded, where a few seconds' worth
        // is, and would read the whole table.
        batch.BatchCommands.Add(Sql.InBatch(
            $"""
            SELECT {RowColumns}
            FROM partitions p CROSS JOIN LATERAL (
                SELECT * FROM segments
                WHERE partition = p.id AND position > p.folded_position AND position($1 IN payload) > 0 OFFSET 0) s
            ORDER BY s.position
            """,
            utf8));
        batch.BatchCommands.Add(Sql.InBatch("COMMIT"));
        await using var rows = await batch.ExecuteReaderAsync(cancellationToken);
        var saved = await rows.ReadAsync(cancellationToken) ? SequenceCodec.Unpack(userId, utf8, Sql.Bytes(rows, 0)) : null;
        await rows.NextResultAsync(cancellationToken);
        var unfolded = new List<StoredSegment>();
        while (await rows.ReadAsync(cancellationToken))
        {
            unfolded.AddRange(SegmentCodec.Unpack(Sql.Bytes(rows, 7), RowOf(rows), SourceOf(rows)));
        }

        return (saved, unfolded);
    }

    /// <summary>The position behind which so many records lie, or a few more; 0 when there are no more.</summary>
    public static async Task<long> FindNewestAsync(NpgsqlConnection connection, long records, CancellationToken cancellationToken)
    {
        // From the newest down, and no further than needed.
        await using var command = Sql.Command(
            connection,
            """
            SELECT position - 1 FROM (
                SELECT position, sum(next_offset - first_offset) OVER (ORDER BY position DESC) AS records FROM segments) s
            WHERE records >= $1 ORDER BY position DESC LIMIT 1
            """,
            records);
        return (long?)await command.ExecuteScalarAsync(cancellationToken) ?? 0;
    }

    /// <summary>The partition's newest epoch, 0 when nobody ever acquired it.</summary>
    public static async Task<long> EpochAsync(NpgsqlConnection connection, SourcePartition source, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection, "SELECT epoch FROM partitions WHERE topic = $1 AND log = $2 AND partition = $3", source.Topic, source.Log, source.Partition);
        return (long?)await command.ExecuteScalarAsync(cancellationToken) ?? 0;
    }

    /// <summary>Positions of the next few rows that name a user, and how far that was; up to <paramref name="upToPosition"/>.</summary>
    public static async Task<(List<long> Found, long SearchedTo)> SegmentsOfAsync(
        NpgsqlConnection connection, byte[] userId, long afterPosition, long upToPosition, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection,
            // Also rows that reach over the position: what was small and above it may have been joined since.
            $"""
            SELECT position, payload FROM segments WHERE position > $1 - {SegmentJoin.MaxSpan} AND position <= $1 AND last_position > $1
            UNION ALL (SELECT position, payload FROM segments WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3)
            ORDER BY position
            """,
            afterPosition, upToPosition, SearchedAtOnce);
        var found = new List<long>();
        var searchedTo = upToPosition;
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        for (var n = 0; await rows.ReadAsync(cancellationToken);)
        {
            var position = rows.GetInt64(0);
            if (SegmentCodec.Mentions(Sql.Bytes(rows, 1), userId, position))
            {
                found.Add(position);
            }

            n += position > afterPosition ? 1 : 0;
            searchedTo = n == SearchedAtOnce ? position : upToPosition;
        }

        return (found, searchedTo);
    }

    public static async Task<List<SourcePartition>> UnfoldedSourcesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection,
            """
            SELECT p.topic, p.log, p.partition FROM partitions p
            WHERE EXISTS (SELECT 1 FROM segments s WHERE s.partition = p.id AND s.position > p.folded_position)
            """);
        var sources = new List<SourcePartition>();
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            sources.Add(new SourcePartition(rows.GetString(0), rows.GetString(1), rows.GetInt32(2)));
        }

        return sources;
    }

    public static async Task<List<AuditRecord>> AuditAsync(
        NpgsqlConnection connection, string? action, int newest, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection, "SELECT at, action, detail FROM audit WHERE $1 = '' OR action = $1 ORDER BY id DESC LIMIT $2", action ?? "", newest);
        var records = new List<AuditRecord>();
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            records.Add(new AuditRecord(rows.GetDateTime(0), rows.GetString(1), rows.GetString(2)));
        }

        return records;
    }

    public static async Task<JournalStatistics> StatisticsAsync(NpgsqlConnection connection, int items, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection,
            """
            SELECT interactions, users, segments, position,
                (SELECT sum(pg_total_relation_size(t::regclass))::bigint FROM unnest(ARRAY['items', 'partitions', 'segments', 'users']) t)
            FROM journal
            """);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new JournalStatistics(row.GetInt64(0), row.GetInt64(1), items, row.GetInt64(2), row.GetInt64(3), row.GetInt64(4));
    }

    private static SegmentRow RowOf(NpgsqlDataReader row) => new(row.GetInt64(0), row.GetInt64(1), row.GetInt64(5), row.GetInt64(6));

    private static SourcePartition SourceOf(NpgsqlDataReader row) => new(row.GetString(2), row.GetString(3), row.GetInt32(4));
}

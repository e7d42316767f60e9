using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Postgres;

/// <summary>Reads: each on a connection of the pool, a bounded piece at a time.</summary>
internal static class PostgresReader
{
    public const int UsersPerRead = 4096;
    private const int SegmentsPerChunk = 64;
    private const int BytesPerChunk = 1024 * 1024;
    private const string OfSource = " AND s.partition = (SELECT id FROM partitions WHERE topic = $4 AND log = $5 AND partition = $6)";

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

    /// <summary>The next few segments above a position; none when there are no more.</summary>
    public static async Task<List<StoredSegment>> ReadSegmentsAsync(
        NpgsqlConnection connection, long afterPosition, long upToPosition, SourcePartition? source, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection,
            $"""
            SELECT s.position, p.topic, p.log, p.partition, s.first_offset, s.next_offset, s.payload
            FROM segments s JOIN partitions p ON p.id = s.partition
            WHERE s.position > $1 AND s.position <= $2{(source is null ? "" : OfSource)} ORDER BY s.position LIMIT $3
            """,
            source is { } partition
                ? [afterPosition, upToPosition, SegmentsPerChunk, partition.Topic, partition.Log, partition.Partition]
                : [afterPosition, upToPosition, SegmentsPerChunk]);

        var chunk = new List<StoredSegment>();
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        for (var bytes = 0; bytes < BytesPerChunk && await rows.ReadAsync(cancellationToken);)
        {
            var position = rows.GetInt64(0);
            var payload = Sql.Bytes(rows, 6);
            bytes += payload.Length;
            var segment = SegmentCodec.Unpack(payload, position, rows.GetInt64(4), rows.GetInt64(5));
            chunk.Add(new StoredSegment(position, new SourcePartition(rows.GetString(1), rows.GetString(2), rows.GetInt32(3)), segment));
        }

        return chunk;
    }

    /// <summary>Positions of the next few segments that name a user, and how far that was; up to <paramref name="upToPosition"/>.</summary>
    public static async Task<(List<long> Found, long SearchedTo)> SegmentsOfAsync(
        NpgsqlConnection connection, byte[] userId, long afterPosition, long upToPosition, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection,
            "SELECT position, payload FROM segments WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",
            afterPosition, upToPosition, SegmentsPerChunk);
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

            searchedTo = ++n == SegmentsPerChunk ? position : upToPosition;
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
}

using Npgsql;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Postgres;

/// <summary>Joining: a transaction of its own, under the same lock as appends, for partitions that this node appends to.</summary>
/// <remarks>
/// Fenced like an append: a partition whose epoch has changed is its new owner's to join. Only segments that saved states contain are touched.
/// Every row is looked at once: afterwards it is joined, or not joinable. When the connection breaks it has happened or has not, and nobody
/// waits for an answer.
/// </remarks>
internal sealed partial class PostgresStore
{
    private readonly Dictionary<int, long> _joinableEpochs = [];
    private readonly int _joinSegments;
    private int _small;
    private int _nextJoin;

    private bool IsSmall(byte[] payload) => _joinSegments > 0 && payload.Length < SegmentJoin.SmallBytes;

    /// <summary>Notes what the transaction that is about to be committed adds.</summary>
    private void NoteSmall()
    {
        foreach (var segment in _segments.Where(segment => IsSmall(segment.Payload)))
        {
            _small++;
            _joinableEpochs[(int)segment.Partition.Id] = segment.Partition.Epoch;
        }
    }

    private int JoinSegments()
    {
        if (_joinSegments == 0 || _small < _nextJoin || _connection is null)
        {
            return 0;
        }

        try
        {
            var (folded, more) = ReadJoinable();
            if (folded.Count < Math.Max(2, _joinSegments / 2))
            {
                // Saved states contain too few yet.
                Run("ROLLBACK");
                _nextJoin = _small + Math.Max(1, _joinSegments / 2);
                return 0;
            }

            var joined = Replace(folded);
            _small = Math.Max(0, _small - folded.Count);
            _nextJoin = more ? 0 : _joinSegments;
            return joined;
        }
        catch (Exception failure) when (MayBeginAgain(failure))
        {
            _nextJoin = _small + Math.Max(1, _joinSegments / 2);
            return 0;
        }
    }

    /// <summary>Begins the transaction; the rows by partition and position, and whether there may be more.</summary>
    private (List<SegmentJoin.Small> Folded, bool More) ReadJoinable()
    {
        using var batch = new NpgsqlBatch(_connection);
        batch.BatchCommands.Add(Sql.InBatch("BEGIN ISOLATION LEVEL READ COMMITTED"));
        batch.BatchCommands.Add(Sql.InBatch("SELECT 1 FROM journal FOR UPDATE"));
        // What a former build kept may be large: that is not read, and parts its neighbours.
        batch.BatchCommands.Add(Sql.InBatch(
            """
            SELECT s.position, s.partition, s.first_offset, s.next_offset, CASE WHEN octet_length(s.payload) < $4 THEN s.payload ELSE '' END
            FROM unnest($1, $2) AS mine (id, epoch) JOIN partitions p ON p.id = mine.id AND p.epoch = mine.epoch
            CROSS JOIN LATERAL (
                SELECT * FROM segments
                WHERE partition = p.id AND joinable AND position <= p.folded_position ORDER BY position LIMIT $3) s
            ORDER BY s.partition, s.position LIMIT $3
            """,
            _joinableEpochs.Keys.ToArray(), _joinableEpochs.Values.ToArray(), 2 * _joinSegments, SegmentJoin.SmallBytes));
        using var rows = batch.ExecuteReader();
        rows.NextResult();
        var folded = new List<SegmentJoin.Small>();
        while (rows.Read())
        {
            var position = rows.GetInt64(0);
            var row = new SegmentRow(position, position, rows.GetInt64(2), rows.GetInt64(3));
            folded.Add(new SegmentJoin.Small(rows.GetInt32(1), row, Sql.Bytes(rows, 4)));
        }

        return (folded, folded.Count == 2 * _joinSegments);
    }

    /// <summary>Ends the transaction; how many segments share a row now.</summary>
    private int Replace(List<SegmentJoin.Small> folded)
    {
        var rows = SegmentJoin.Join(folded).ToLookup(row => row.Members.Count > 1);
        var joined = rows[true].ToList();
        long[] gone = [.. joined.SelectMany(row => row.Members).Select(member => member.Row.Position)];
        long[] alone = [.. rows[false].Select(row => row.Row.Position)];
        using var batch = new NpgsqlBatch(_connection);
        batch.BatchCommands.Add(Sql.InBatch("DELETE FROM segments WHERE position = ANY ($1)", gone));
        batch.BatchCommands.Add(Sql.InBatch("UPDATE segments SET joinable = false WHERE position = ANY ($1)", alone));
        batch.BatchCommands.Add(Sql.InBatch(
            """
            INSERT INTO segments (position, last_position, partition, first_offset, next_offset, payload, joinable)
            SELECT *, false FROM unnest($1, $2, $3, $4, $5, $6)
            """,
            joined.ConvertAll(row => row.Row.Position),
            joined.ConvertAll(row => row.Row.LastPosition),
            joined.ConvertAll(row => (int)row.Partition),
            joined.ConvertAll(row => row.Row.FirstOffset),
            joined.ConvertAll(row => row.Row.NextOffset),
            joined.ConvertAll(row => row.Payload)));
        batch.BatchCommands.Add(Sql.InBatch("UPDATE journal SET segments = segments - $1", (long)(gone.Length - joined.Count)));
        batch.BatchCommands.Add(Sql.InBatch("COMMIT"));
        batch.ExecuteNonQuery();
        return gone.Length;
    }
}

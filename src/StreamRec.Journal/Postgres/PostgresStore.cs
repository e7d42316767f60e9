using System.Data;
using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal.Commits;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Postgres;

/// <summary>
/// The writer's side of the tables, in two round trips a transaction: one locks and reads, one writes everything and commits.
/// </summary>
/// <remarks>
/// Every transaction locks the one row of <c>journal</c> first. So the writers of all nodes commit one after the other: positions follow the
/// order of the commits, nothing that was read under the lock can change before the commit, and a transaction whose connection broke has
/// come to its end before the next one begins. Each adds one to the writer's own count in <c>writers</c>, which tells the next one what
/// became of it; numbers of transactions would not do, because a database that crashed gives them out again.
/// </remarks>
internal sealed partial class PostgresStore : JournalStore
{
    private const long PieceBytes = 16 << 20;
    private const int SegmentsAtOnce = 64;

    private readonly List<(long Position, PartitionState Partition, long FirstOffset, long NextOffset, byte[] Payload)> _segments = [];
    private readonly Dictionary<byte[], byte[]> _users = new(SameBytes.Instance);
    private readonly PostgresDatabase _database;
    private readonly Guid _id = Guid.NewGuid();
    private NpgsqlConnection? _connection;

    // Transactions committed for certain; the one after them is unknown while a commit of it was sent and not answered.
    private long _commits;
    private bool _unknown;
    private long _interactions;
    private long _removedUsers;

    /// <param name="database">The database.</param>
    /// <param name="connection">The writer's first connection; the store's from now on.</param>
    /// <param name="joinSegments"><see cref="JournalOptions.JoinSegments"/></param>
    /// <param name="position">As the journal says.</param>
    public PostgresStore(PostgresDatabase database, NpgsqlConnection connection, int joinSegments, long position)
    {
        _joinSegments = _nextJoin = joinSegments;
        _database = database;
        _connection = connection;
        Position = position;
    }

    /// <inheritdoc/>
    public override string Name => _database.Name;

    /// <inheritdoc/>
    public override bool HasMore => false;

    /// <inheritdoc/>
    public override bool Begin(IReadOnlyList<WriteCommand> commands)
    {
        Clear();
        if (_connection is not { State: ConnectionState.Open })
        {
            _connection?.Dispose();
            _connection = _database.OpenWriter();
        }

        SourcePartition[] sources = [.. commands.Select(command => command.Source).OfType<SourcePartition>().Distinct()];
        using var batch = new NpgsqlBatch(_connection);
        batch.BatchCommands.Add(Sql.InBatch("BEGIN ISOLATION LEVEL READ COMMITTED"));
        batch.BatchCommands.Add(Sql.InBatch("SELECT position FROM journal FOR UPDATE"));
        // A statement of its own: only one that begins behind the lock sees what was committed before it.
        batch.BatchCommands.Add(Sql.InBatch("SELECT coalesce(max(commits), 0) FROM writers WHERE id = $1", _id));
        batch.BatchCommands.Add(Sql.InBatch(
            """
            SELECT p.id, p.topic, p.log, p.partition, p.epoch, p.next_offset, p.completed_offset, p.folded_position
            FROM unnest($1, $2, $3) AS asked (topic, log, partition) JOIN partitions p USING (topic, log, partition)
            """,
            sources.Select(source => source.Topic).ToArray(),
            sources.Select(source => source.Log).ToArray(),
            sources.Select(source => source.Partition).ToArray()));
        using (var rows = batch.ExecuteReader())
        {
            ReadPosition(rows);
            rows.Read();
            var committed = rows.GetInt64(0);
            rows.NextResult();
            if (_unknown && committed > _commits)
            {
                rows.Close();
                Run("ROLLBACK");
                (_unknown, _commits) = (false, committed);
                return false;
            }

            _unknown = false;
            ReadPartitions(rows);
        }

        return true;
    }

    /// <inheritdoc/>
    public override void SaveUser(ReadOnlySpan<byte> userId, ReadOnlySpan<byte> state) => _users[userId.ToArray()] = state.ToArray();

    /// <inheritdoc/>
    public override ForgetReceipt Forget(
        string userId, IReadOnlyList<long> found, long searchedTo, IReadOnlyCollection<PartitionLease> clean, DateTimeOffset at)
    {
        Write(commit: false);
        Run("SAVEPOINT forget");
        try
        {
            var partitions = new HashSet<int>();
            var receipt = Remove(userId, found, searchedTo, partitions, at);
            Run("RELEASE SAVEPOINT forget");
            FenceOwners([.. partitions], clean);
            return receipt;
        }
        catch (JournalCorruptException)
        {
            (_interactions, _removedUsers) = (0, 0);
            Run("ROLLBACK TO SAVEPOINT forget");
            throw;
        }
    }

    /// <inheritdoc/>
    public override void AddAudit(AuditRecord record) =>
        Run("INSERT INTO audit (at, action, detail) VALUES ($1, $2, $3)", record.At.ToUniversalTime(), record.Action, record.Detail);

    /// <inheritdoc/>
    public override void Commit()
    {
        _unknown = true;
        NoteSmall();
        Write(commit: true);
        (_unknown, _commits) = (false, _commits + 1);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Nothing to do: no query and no dump shows overwritten rows. Their bytes stay in free space until that is used again, which
    /// <c>VACUUM FULL segments, users</c> brings about at once, and in the write-ahead log, its archives and replicas for as long as those are kept.
    /// </remarks>
    public override bool Erase() => true;

    /// <inheritdoc/>
    /// <remarks>Joins small segments.</remarks>
    public override int Maintain() => JoinSegments();

    /// <inheritdoc/>
    public override void Abandon()
    {
    }

    /// <inheritdoc/>
    public override bool MayBeginAgain(Exception failure)
    {
        // Whatever the session was in the middle of, it ends with the connection.
        try
        {
            _connection?.Dispose();
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
        {
            // It is being dropped.
        }

        _connection = null;

        // Alone with the database while this one was without a connection: an import, for example.
        return failure is JournalInUseException || PostgresDatabase.IsPassing(failure);
    }

    public override void Dispose() => _connection?.Dispose();

    /// <inheritdoc/>
    protected override long AddPartition(SourcePartition source)
    {
        using var command = Sql.Command(
            _connection!,
            """
            INSERT INTO partitions (topic, log, partition, epoch, next_offset, completed_offset, folded_position)
            VALUES ($1, $2, $3, 0, 0, 0, 0) RETURNING id
            """,
            source.Topic, source.Log, source.Partition);
        return (int)command.ExecuteScalar()!;
    }

    /// <inheritdoc/>
    protected override void AddSegment(PartitionState partition, Segment segment, ReadOnlySpan<byte> packed)
    {
        _segments.Add((Position, partition, segment.FirstOffset, segment.NextOffset, packed.ToArray()));
        _interactions += segment.Entries.Count;
    }

    private void Clear()
    {
        Partitions.Clear();
        ClearChanges();
    }

    private void ClearChanges()
    {
        ChangedPartitions.Clear();
        _segments.Clear();
        _users.Clear();
        (_interactions, _removedUsers) = (0, 0);
    }

    private void ReadPosition(NpgsqlDataReader rows)
    {
        if (!rows.Read())
        {
            throw new JournalCorruptException($"{Name} has no row in the table journal. Restore it from a backup.");
        }

        Position = rows.GetInt64(0);
        rows.NextResult();
    }

    private void ReadPartitions(NpgsqlDataReader rows)
    {
        while (rows.Read())
        {
            var source = new SourcePartition(rows.GetString(1), rows.GetString(2), rows.GetInt32(3));
            Partitions.Add(source, new PartitionState(rows.GetInt32(0), source)
            {
                Epoch = rows.GetInt64(4),
                NextOffset = rows.GetInt64(5),
                CompletedOffset = rows.GetInt64(6),
                FoldedPosition = rows.GetInt64(7),
            });
        }
    }

    /// <summary>Everything that the transaction has changed so far, in one round trip.</summary>
    private void Write(bool commit)
    {
        using var batch = new NpgsqlBatch(_connection);
        if (_segments.Count > 0)
        {
            batch.BatchCommands.Add(Sql.InBatch(
                "INSERT INTO segments (position, partition, first_offset, next_offset, payload, joinable) SELECT * FROM unnest($1, $2, $3, $4, $5, $6)",
                _segments.ConvertAll(s => s.Position),
                _segments.ConvertAll(s => (int)s.Partition.Id),
                _segments.ConvertAll(s => s.FirstOffset),
                _segments.ConvertAll(s => s.NextOffset),
                _segments.ConvertAll(s => s.Payload),
                _segments.ConvertAll(s => IsSmall(s.Payload))));
        }

        foreach (var some in InPieces(_users))
        {
            batch.BatchCommands.Add(Sql.InBatch(
                """
                WITH saved AS (
                    INSERT INTO users (user_id, state) SELECT * FROM unnest($1, $2)
                    ON CONFLICT (user_id) DO UPDATE SET state = excluded.state RETURNING xmax = 0 AS is_new)
                UPDATE journal SET users = users + (SELECT count(*) FROM saved WHERE is_new) WHERE EXISTS (SELECT 1 FROM saved WHERE is_new)
                """,
                some.Select(pair => pair.Key).ToArray(), some.Select(pair => pair.Value).ToArray()));
        }

        if (ChangedPartitions.Count > 0)
        {
            PartitionState[] changed = [.. ChangedPartitions];
            batch.BatchCommands.Add(Sql.InBatch(
                """
                UPDATE partitions p SET epoch = c.epoch, next_offset = c.next_offset, completed_offset = c.completed_offset,
                    folded_position = c.folded_position
                FROM unnest($1, $2, $3, $4, $5) AS c (id, epoch, next_offset, completed_offset, folded_position) WHERE p.id = c.id
                """,
                changed.Select(p => (int)p.Id).ToArray(),
                changed.Select(p => p.Epoch).ToArray(),
                changed.Select(p => p.NextOffset).ToArray(),
                changed.Select(p => p.CompletedOffset).ToArray(),
                changed.Select(p => p.FoldedPosition).ToArray()));
        }

        if (_segments.Count > 0 || _interactions != 0 || _removedUsers != 0)
        {
            batch.BatchCommands.Add(Sql.InBatch(
                "UPDATE journal SET position = $1, segments = segments + $2, interactions = interactions + $3, users = users - $4",
                Position, (long)_segments.Count, _interactions, _removedUsers));
        }

        if (commit)
        {
            batch.BatchCommands.Add(Sql.InBatch(
                "INSERT INTO writers (id, commits, at) VALUES ($1, $2, now()) ON CONFLICT (id) DO UPDATE SET commits = excluded.commits, at = excluded.at",
                _id, _commits + 1));
            batch.BatchCommands.Add(Sql.InBatch("COMMIT"));
        }

        if (batch.BatchCommands.Count > 0)
        {
            batch.ExecuteNonQuery();
        }

        ClearChanges();
    }

    // A message to the server has at most 1 GB, and one of a tenth of it is in memory twice.
    private static IEnumerable<List<KeyValuePair<byte[], byte[]>>> InPieces(Dictionary<byte[], byte[]> users)
    {
        var (piece, bytes) = (new List<KeyValuePair<byte[], byte[]>>(), 0L);
        foreach (var user in users)
        {
            piece.Add(user);
            bytes += user.Key.Length + user.Value.Length;
            if (bytes >= PieceBytes)
            {
                yield return piece;
                (piece, bytes) = ([], 0);
            }
        }

        if (piece.Count > 0)
        {
            yield return piece;
        }
    }

    /// <summary>Raises the epochs of partitions whose owners are not this process: they hold in memory what was removed.</summary>
    private void FenceOwners(int[] partitions, IReadOnlyCollection<PartitionLease> clean)
    {
        var others = new List<int>();
        using (var command = Sql.Command(_connection!, "SELECT id, topic, log, partition, epoch FROM partitions WHERE id = ANY ($1)", partitions))
        using (var rows = command.ExecuteReader())
        {
            while (rows.Read())
            {
                var source = new SourcePartition(rows.GetString(1), rows.GetString(2), rows.GetInt32(3));
                if (clean.Any(lease => lease.Source == source && lease.Epoch == rows.GetInt64(4)))
                {
                    continue;
                }

                others.Add(rows.GetInt32(0));
                if (Partitions.TryGetValue(source, out var known))
                {
                    known.Epoch++;
                }
            }
        }

        Run("UPDATE partitions SET epoch = epoch + 1 WHERE id = ANY ($1)", others.ToArray());
    }

    private ForgetReceipt Remove(string userId, IReadOnlyList<long> found, long searchedTo, HashSet<int> partitions, DateTimeOffset at)
    {
        var utf8 = PackedWriter.StrictUtf8.GetBytes(userId);
        _removedUsers = Run("DELETE FROM users WHERE user_id = $1", utf8);
        var touched = 0;
        foreach (var position in found)
        {
            // Joined since it was found, it stands in a row that reaches over its position.
            touched += Rewrite(userId, utf8, Segments($"position = $1 OR {Across("last_position >= $1")}", position), partitions);
        }

        touched += Rewrite(userId, utf8, Segments(Across("last_position > $1"), searchedTo), partitions);
        for (var (after, some) = (searchedTo, new List<(long Position, int, byte[])>()); ; after = some[^1].Position)
        {
            some = Segments($"position > $1 ORDER BY position LIMIT {SegmentsAtOnce}", after);
            touched += Rewrite(userId, utf8, some, partitions);
            if (some.Count < SegmentsAtOnce)
            {
                break;
            }
        }

        var receipt = new ForgetReceipt(SequenceCodec.Fingerprint(utf8), -_interactions, touched, at);
        AddAudit(ForgetCommand.Audit(receipt));
        return receipt;
    }

    private int Rewrite(string userId, byte[] utf8, List<(long Position, int Partition, byte[] Payload)> segments, HashSet<int> partitions)
    {
        using var batch = new NpgsqlBatch(_connection);
        foreach (var (position, partition, payload) in segments.Where(s => SegmentCodec.Mentions(s.Payload, utf8, s.Position)))
        {
            var segment = SegmentCodec.Unpack(payload, position, out var members);
            var without = SegmentCodec.Without(segment, userId);
            using var packed = SegmentCodec.Pack(without, members: members);
            batch.BatchCommands.Add(Sql.InBatch("UPDATE segments SET payload = $1 WHERE position = $2", packed.Written.ToArray(), position));
            _interactions -= segment.Entries.Count - without.Entries.Count;
            partitions.Add(partition);
        }

        if (batch.BatchCommands.Count > 0)
        {
            batch.ExecuteNonQuery();
        }

        return batch.BatchCommands.Count;
    }

    // Rows that begin at or below a position and reach it.
    private static string Across(string reaches) => $"position > $1 - {SegmentJoin.MaxSpan} AND position <= $1 AND {reaches}";

    private List<(long Position, int Partition, byte[] Payload)> Segments(string where, object parameter)
    {
        using var command = Sql.Command(
            _connection!, $"SELECT position, partition, payload FROM segments WHERE {where}", parameter);
        using var rows = command.ExecuteReader();
        var segments = new List<(long, int, byte[])>();
        while (rows.Read())
        {
            segments.Add((rows.GetInt64(0), rows.GetInt32(1), Sql.Bytes(rows, 2)));
        }

        return segments;
    }

    private int Run(string sql, params ReadOnlySpan<object> parameters) => Sql.Run(_connection!, sql, parameters);

    private sealed class SameBytes : IEqualityComparer<byte[]>
    {
        public static readonly SameBytes Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] bytes)
        {
            var hash = default(HashCode);
            hash.AddBytes(bytes);
            return hash.ToHashCode();
        }
    }
}

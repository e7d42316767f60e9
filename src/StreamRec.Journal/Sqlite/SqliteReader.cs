using System.Globalization;
using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>
/// One reading connection with its prepared statements. Threading: one borrower at a time, see <see cref="ReaderPool"/>.
/// </summary>
internal sealed class SqliteReader : IDisposable
{
    private const int UsersPerSnapshot = 1024;
    private const int SegmentsPerChunk = 64;
    private const int BytesPerChunk = 1024 * 1024;
    private const string SegmentColumns =
        """
        SELECT s.position, p.topic, p.log, p.partition, s.first_offset, s.next_offset, s.payload
        FROM segments s JOIN partitions p ON p.id = s.partition
        """;

    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _user;
    private readonly SqliteStatement _segments;
    private readonly SqliteStatement _segmentsOfPartition;
    private readonly SqliteStatement _dictionaries;
    private readonly SqliteStatement _unfolded;
    private readonly SqliteStatement _unfoldedSegments;
    private readonly SqliteStatement _epoch;
    private readonly SqliteStatement _audit;
    private readonly SqliteStatement _total;

    public SqliteReader(string path)
    {
        _database = SqliteDatabase.OpenReader(path);
        _user = _database.Prepare("SELECT state FROM users WHERE user_id = ?1");
        _segments = _database.Prepare(SegmentColumns + " WHERE s.position > ?1 AND s.position <= ?2 ORDER BY s.position");
        _segmentsOfPartition = _database.Prepare(
            SegmentColumns
            + """
               WHERE s.partition = (SELECT id FROM partitions WHERE topic = ?3 AND log = ?4 AND partition = ?5)
                 AND s.position > ?1 AND s.position <= ?2 ORDER BY s.position
              """);
        _dictionaries = _database.Prepare("SELECT position, payload FROM segments WHERE position > ?1 AND position <= ?2 ORDER BY position");
        _unfolded = _database.Prepare(
            """
            SELECT p.topic, p.log, p.partition FROM partitions p
            WHERE EXISTS (SELECT 1 FROM segments s WHERE s.partition = p.id AND s.position > p.folded_position)
            """);
        _unfoldedSegments = _database.Prepare(SegmentColumns + " WHERE s.position > p.folded_position ORDER BY s.position");
        _epoch = _database.Prepare("SELECT epoch FROM partitions WHERE topic = ?1 AND log = ?2 AND partition = ?3");
        _audit = _database.Prepare("SELECT at, action, detail FROM audit WHERE ?1 = '' OR action = ?1 ORDER BY id DESC LIMIT ?2");
        _total = _database.Prepare("SELECT value FROM meta WHERE key = ?1");
    }

    public BehaviorSequence?[] LoadUsers(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        var sequences = new BehaviorSequence?[userIds.Count];
        for (var from = 0; from < userIds.Count; from += UsersPerSnapshot)
        {
            cancellationToken.ThrowIfCancellationRequested();

            // One transaction takes the read lock once for many users; short ones let checkpoints and erasure through.
            InSnapshot(() => LoadUsers(userIds, sequences, from, Math.Min(userIds.Count, from + UsersPerSnapshot)));
        }

        return sequences;
    }

    /// <summary>The next few segments above a position; none when there are no more.</summary>
    public List<StoredSegment> ReadSegments(long afterPosition, long upToPosition, SourcePartition? source)
    {
        var statement = source is null ? _segments : _segmentsOfPartition;
        statement.Bind(1, afterPosition).Bind(2, upToPosition);
        if (source is { } partition)
        {
            statement.BindText(3, partition.Topic).BindText(4, partition.Log).Bind(5, partition.Partition);
        }

        var chunk = new List<StoredSegment>();
        try
        {
            for (var bytes = 0; chunk.Count < SegmentsPerChunk && bytes < BytesPerChunk && statement.Step();)
            {
                bytes += statement.Bytes(6).Length;
                chunk.Add(ReadSegment(statement));
            }

            return chunk;
        }
        finally
        {
            statement.Reset();
        }
    }

    public List<long> SegmentsOf(string userId, long upToPosition, CancellationToken cancellationToken)
    {
        _dictionaries.Bind(2, upToPosition);
        return SegmentSearch.Find(_dictionaries, PackedWriter.StrictUtf8.GetBytes(userId), 0, cancellationToken);
    }

    public List<SourcePartition> UnfoldedSources()
    {
        var sources = new List<SourcePartition>();
        try
        {
            while (_unfolded.Step())
            {
                sources.Add(new SourcePartition(_unfolded.Text(0), _unfolded.Text(1), (int)_unfolded.Int64(2)));
            }

            return sources;
        }
        finally
        {
            _unfolded.Reset();
        }
    }

    public List<AuditRecord> Audit(string? action, int newest)
    {
        var records = new List<AuditRecord>();
        try
        {
            _audit.BindText(1, action ?? "").Bind(2, newest);
            while (_audit.Step())
            {
                records.Add(new AuditRecord(
                    DateTimeOffset.ParseExact(_audit.Text(0), "O", CultureInfo.InvariantCulture), _audit.Text(1), _audit.Text(2)));
            }

            return records;
        }
        finally
        {
            _audit.Reset();
        }
    }

    /// <summary>A user's saved state, and the segments naming the user that saved states do not contain yet.</summary>
    public (BehaviorSequence? Saved, List<StoredSegment> Unfolded) ReadUser(string userId, CancellationToken cancellationToken)
    {
        var utf8 = PackedWriter.StrictUtf8.GetBytes(userId);
        var saved = new BehaviorSequence?[1];
        var unfolded = new List<StoredSegment>();
        InSnapshot(() =>
        {
            LoadUsers([userId], saved, 0, 1);
            try
            {
                while (_unfoldedSegments.Step())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (SegmentCodec.Mentions(_unfoldedSegments.Bytes(6), utf8, _unfoldedSegments.Int64(0)))
                    {
                        unfolded.Add(ReadSegment(_unfoldedSegments));
                    }
                }
            }
            finally
            {
                _unfoldedSegments.Reset();
            }
        });
        return (saved[0], unfolded);
    }

    /// <summary>The partition's newest epoch, 0 when nobody ever acquired it.</summary>
    public long EpochOf(SourcePartition source)
    {
        try
        {
            return _epoch.BindText(1, source.Topic).BindText(2, source.Log).Bind(3, source.Partition).Step() ? _epoch.Int64(0) : 0;
        }
        finally
        {
            _epoch.Reset();
        }
    }

    public (long Interactions, long Users, long Segments) Totals()
    {
        var totals = (0L, 0L, 0L);
        InSnapshot(() => totals = (Total("interactions"), Total("users"), Total("segments")));
        return totals;
    }

    public void Dispose() => _database.Dispose();

    private void InSnapshot(Action read)
    {
        _database.Execute("BEGIN");
        try
        {
            read();
        }
        finally
        {
            _database.Execute("COMMIT");
        }
    }

    private void LoadUsers(IReadOnlyList<string> userIds, BehaviorSequence?[] sequences, int from, int to)
    {
        Span<byte> buffer = stackalloc byte[512];
        for (var i = from; i < to; i++)
        {
            var userId = userIds[i];
            var utf8 = PackedWriter.StrictUtf8.TryGetBytes(userId, buffer, out var length)
                ? buffer[..length]
                : PackedWriter.StrictUtf8.GetBytes(userId);
            try
            {
                sequences[i] = _user.BindText(1, utf8).Step() ? SequenceCodec.Unpack(userId, utf8, _user.Bytes(0)) : null;
            }
            finally
            {
                _user.Reset();
            }
        }
    }

    private static StoredSegment ReadSegment(SqliteStatement row)
    {
        var position = row.Int64(0);
        var segment = SegmentCodec.Unpack(row.Bytes(6), position, row.Int64(4), row.Int64(5));
        return new StoredSegment(position, new SourcePartition(row.Text(1), row.Text(2), (int)row.Int64(3)), segment);
    }

    private long Total(string key)
    {
        var total = _total.BindText(1, key).Step() ? _total.Int64(0) : 0;
        _total.Reset();
        return total;
    }
}

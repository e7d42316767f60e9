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
    private const string RowColumns = "SELECT position, position AS last_position, partition, first_offset, next_offset, payload FROM";
    private const string JoinedColumns = "SELECT position, last_position, partition, first_offset, next_offset, payload FROM joined";

    private readonly Dictionary<long, SourcePartition> _sources = [];
    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _user;
    private readonly SqliteStatement _source;
    private readonly SqliteStatement _sourceId;
    private readonly (SqliteStatement Across, SqliteStatement Above) _segments;
    private readonly (SqliteStatement Across, SqliteStatement Above) _segmentsOfPartition;
    private readonly SqliteStatement _dictionaries;
    private readonly SqliteStatement _unfolded;
    private readonly SqliteStatement _unfoldedSegments;
    private readonly SqliteStatement _epoch;
    private readonly SqliteStatement _newest;
    private readonly SqliteStatement _audit;
    private readonly SqliteStatement _total;

    public SqliteReader(string path)
    {
        _database = SqliteDatabase.OpenReader(path);
        _user = _database.Prepare("SELECT state FROM users WHERE user_id = ?1");
        _source = _database.Prepare("SELECT topic, log, partition FROM partitions WHERE id = ?1");
        _sourceId = _database.Prepare("SELECT id FROM partitions WHERE topic = ?1 AND log = ?2 AND partition = ?3");
        _segments = PrepareSegments("");
        _segmentsOfPartition = PrepareSegments(" AND partition = ?3");
        _dictionaries = _database.Prepare(
            """
            SELECT position, payload FROM segments WHERE position > ?1 AND position <= ?2
            UNION ALL SELECT position, payload FROM recent WHERE position > ?1 AND position <= ?2
            UNION ALL SELECT position, payload FROM joined WHERE position > ?1 AND position <= ?2
            """);

        // None of joined: what was joined is folded.
        _unfolded = _database.Prepare(
            """
            SELECT p.topic, p.log, p.partition FROM partitions p
            WHERE EXISTS (SELECT 1 FROM segments s WHERE s.partition = p.id AND s.position > p.folded_position)
                OR EXISTS (SELECT 1 FROM recent s WHERE s.partition = p.id AND s.position > p.folded_position)
            """);
        _unfoldedSegments = _database.Prepare(
            """
            SELECT s.position, s.position, s.partition, s.first_offset, s.next_offset, s.payload
            FROM partitions p CROSS JOIN segments s ON s.partition = p.id AND s.position > p.folded_position
            UNION ALL SELECT s.position, s.position, s.partition, s.first_offset, s.next_offset, s.payload
            FROM partitions p CROSS JOIN recent s ON s.partition = p.id AND s.position > p.folded_position
            ORDER BY 1
            """);
        _epoch = _database.Prepare("SELECT epoch FROM partitions WHERE topic = ?1 AND log = ?2 AND partition = ?3");
        _newest = _database.Prepare(
            """
            SELECT position, next_offset - first_offset FROM segments
            UNION ALL SELECT position, next_offset - first_offset FROM recent
            UNION ALL SELECT position, next_offset - first_offset FROM joined
            ORDER BY position DESC
            """);
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

    /// <summary>The next few segments above a position, and the position behind which the next ones begin.</summary>
    public (IReadOnlyList<StoredSegment> Segments, long ReadTo) ReadSegments(long afterPosition, long upToPosition, SourcePartition? source)
    {
        var chunk = new SegmentChunk(afterPosition, upToPosition);
        InSnapshot(() =>
        {
            if (source is { } partition)
            {
                var id = IdOf(partition);
                _segmentsOfPartition.Across.Bind(3, id);
                _segmentsOfPartition.Above.Bind(3, id);
            }

            var (across, above) = source is null ? _segments : _segmentsOfPartition;
            ReadInto(chunk, across.Bind(1, afterPosition));
            ReadInto(chunk, above.Bind(1, afterPosition).Bind(2, upToPosition));
        });
        return chunk.Take();
    }

    /// <summary>The position behind which so many records lie, or a few more; 0 when there are no more.</summary>
    public long FindNewest(long records, CancellationToken cancellationToken)
    {
        try
        {
            for (var found = 0L; _newest.Step();)
            {
                cancellationToken.ThrowIfCancellationRequested();
                found += _newest.Int64(1);
                if (found >= records)
                {
                    return _newest.Int64(0) - 1;
                }
            }

            return 0;
        }
        finally
        {
            _newest.Reset();
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
                    if (SegmentCodec.Mentions(_unfoldedSegments.Bytes(5), utf8, _unfoldedSegments.Int64(0)))
                    {
                        unfolded.AddRange(SegmentCodec.Unpack(_unfoldedSegments.Bytes(5), RowOf(_unfoldedSegments), SourceOf(_unfoldedSegments)));
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

    // Rows that reach over a position (?1), and those that begin above it, up to another (?2), in order.
    private (SqliteStatement Across, SqliteStatement Above) PrepareSegments(string ofPartition) => (
        _database.Prepare(
            $"{JoinedColumns} WHERE position > ?1 - {SegmentJoin.MaxSpan} AND position <= ?1 AND last_position > ?1{ofPartition}"),
        _database.Prepare(
            $"""
            {RowColumns} segments WHERE position > ?1 AND position <= ?2{ofPartition}
            UNION ALL {RowColumns} recent WHERE position > ?1 AND position <= ?2{ofPartition}
            UNION ALL {JoinedColumns} WHERE position > ?1 AND position <= ?2{ofPartition}
            ORDER BY position
            """));

    private void ReadInto(SegmentChunk chunk, SqliteStatement rows)
    {
        try
        {
            while (!chunk.IsFull && rows.Step())
            {
                chunk.Add(RowOf(rows), SourceOf(rows), rows.Bytes(5));
            }
        }
        finally
        {
            rows.Reset();
        }
    }

    private static SegmentRow RowOf(SqliteStatement row) => new(row.Int64(0), row.Int64(1), row.Int64(3), row.Int64(4));

    // Ids of partitions never change.
    private SourcePartition SourceOf(SqliteStatement row)
    {
        var id = row.Int64(2);
        if (!_sources.TryGetValue(id, out var source))
        {
            _source.Bind(1, id);
            source = _source.Step()
                ? new SourcePartition(_source.Text(0), _source.Text(1), (int)_source.Int64(2))
                : throw new JournalCorruptException($"The segment at journal position {row.Int64(0)} is of no known partition. Restore the journal from a backup.");
            _source.Reset();
            _sources.Add(id, source);
        }

        return source;
    }

    // 0, which no partition has, when it was never acquired.
    private long IdOf(SourcePartition source)
    {
        try
        {
            return _sourceId.BindText(1, source.Topic).BindText(2, source.Log).Bind(3, source.Partition).Step() ? _sourceId.Int64(0) : 0;
        }
        finally
        {
            _sourceId.Reset();
        }
    }

    private long Total(string key)
    {
        var total = _total.BindText(1, key).Step() ? _total.Int64(0) : 0;
        _total.Reset();
        return total;
    }
}

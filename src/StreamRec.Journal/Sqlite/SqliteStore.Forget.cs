using StreamRec.Domain;
using StreamRec.Journal.Commits;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>Forgetting one user: the row goes, and every segment that names the user is rewritten without.</summary>
/// <remarks>
/// A segment is overwritten in place at its old length: an update to another length could make SQLite merge pages, which leaves
/// copies of their neighbours, other users' segments, in unused parts of pages, where secure_delete does not reach.
/// </remarks>
internal sealed partial class SqliteStore
{
    private readonly SqliteStatement _deleteUser;
    private readonly SqliteStatement _findSegments;
    private readonly SqliteStatement _readSegments;

    /// <inheritdoc/>
    /// <remarks>Fences nobody: there is no other process.</remarks>
    public override ForgetReceipt Forget(
        string userId, IReadOnlyList<long> found, long searchedTo, IReadOnlyCollection<PartitionLease> clean, DateTimeOffset at)
    {
        var before = _totals;
        _database.Execute("SAVEPOINT forget");
        try
        {
            var receipt = Remove(userId, found, searchedTo, at);
            _database.Execute("RELEASE forget");
            return receipt;
        }
        catch (JournalCorruptException)
        {
            _database.Execute("ROLLBACK TO forget");
            _database.Execute("RELEASE forget");
            _totals = before;
            throw;
        }
    }

    /// <summary>
    /// Writes the users into a new table and frees the old one, whose pages secure_delete zeroes together with all residue in
    /// them.
    /// </summary>
    public void RebuildUsers() => _database.Execute(
        """
        CREATE TABLE users_rebuilt (user_id TEXT PRIMARY KEY, state BLOB NOT NULL);
        INSERT INTO users_rebuilt (user_id, state) SELECT user_id, state FROM users ORDER BY user_id;
        DROP TABLE users;
        ALTER TABLE users_rebuilt RENAME TO users;
        """);

    private ForgetReceipt Remove(string userId, IReadOnlyList<long> found, long searchedTo, DateTimeOffset at)
    {
        var utf8 = PackedWriter.StrictUtf8.GetBytes(userId);
        _totals.Users -= _deleteUser.BindText(1, utf8).Run();
        var (interactions, rows) = (0L, 0);
        foreach (var position in found.Concat(SegmentSearch.Find(_findSegments, utf8, searchedTo, CancellationToken.None)))
        {
            // Joined since it was found, it stands in a row that reaches over its position; each row names the user once at most.
            foreach (var row in ReadSegments(utf8, position))
            {
                interactions += RewriteWithout(userId, position, row);
                rows++;
            }
        }

        _totals.Interactions -= interactions;
        var receipt = new ForgetReceipt(SequenceCodec.Fingerprint(utf8), interactions, rows, at);
        AddAudit(ForgetCommand.Audit(receipt));
        return receipt;
    }

    private int RewriteWithout(string userId, long position, (string Table, long Id, byte[] Payload) row)
    {
        var length = row.Payload.Length;
        var segment = SegmentCodec.Unpack(row.Payload, position, out var members);
        var without = SegmentCodec.Without(segment, userId);
        using var packed = SegmentCodec.Pack(without, length, members);
        if (packed.Length == length)
        {
            _database.Overwrite(row.Table, "payload", row.Id, packed.Written);
        }
        else
        {
            // Offsets that fall into more runs can cost what the entries gave, in segments of many thousand entries.
            var rewrite = _database.Prepare($"UPDATE {row.Table} SET payload = ?2 WHERE rowid = ?1");
            rewrite.Bind(1, row.Id).BindBlob(2, packed.Written).Run();
        }

        return segment.Entries.Count - without.Entries.Count;
    }

    private List<(string Table, long Id, byte[] Payload)> ReadSegments(ReadOnlySpan<byte> userId, long position)
    {
        var rows = new List<(string, long, byte[])>();
        try
        {
            _readSegments.Bind(1, position);
            while (_readSegments.Step())
            {
                if (SegmentCodec.Mentions(_readSegments.Bytes(2), userId, position))
                {
                    rows.Add((_readSegments.Text(0), _readSegments.Int64(1), _readSegments.Bytes(2).ToArray()));
                }
            }

            return rows;
        }
        finally
        {
            _readSegments.Reset();
        }
    }
}

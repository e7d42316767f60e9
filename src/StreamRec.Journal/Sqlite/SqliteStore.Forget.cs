using System.Globalization;
using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>Forgetting one user: the row goes, and every segment that names the user is rewritten without.</summary>
internal sealed partial class SqliteStore
{
    private readonly SqliteStatement _deleteUser;
    private readonly SqliteStatement _findSegments;
    private readonly SqliteStatement _readSegment;
    private readonly SqliteStatement _rewriteSegment;
    private readonly SqliteStatement _insertAudit;

    /// <summary>Removes the user inside the transaction; a segment that cannot be read undoes this removal and nothing else.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="found">Segments that name the user, among those up to <paramref name="searchedTo"/>.</param>
    /// <param name="searchedTo">Newer segments are searched here.</param>
    /// <param name="at">For the receipt.</param>
    /// <exception cref="JournalCorruptException">A segment cannot be read.</exception>
    public ForgetReceipt Forget(string userId, IReadOnlyList<long> found, long searchedTo, DateTimeOffset at)
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

    private ForgetReceipt Remove(string userId, IReadOnlyList<long> found, long searchedTo, DateTimeOffset at)
    {
        var utf8 = PackedWriter.StrictUtf8.GetBytes(userId);
        _totals.Users -= _deleteUser.BindText(1, utf8).Run();
        long[] positions = [.. found, .. SegmentSearch.Find(_findSegments, utf8, searchedTo, CancellationToken.None)];
        var interactions = 0L;
        foreach (var position in positions)
        {
            interactions += RewriteWithout(userId, position);
        }

        _totals.Interactions -= interactions;
        var receipt = new ForgetReceipt(SequenceCodec.Fingerprint(utf8), interactions, positions.Length, at);
        _insertAudit.BindText(1, at.ToString("O", CultureInfo.InvariantCulture)).BindText(2, "forget").BindText(
            3, $"user SHA-256 {receipt.UserFingerprint}: {interactions} interactions removed, {positions.Length} segments rewritten").Run();
        return receipt;
    }

    private int RewriteWithout(string userId, long position)
    {
        var segment = ReadSegment(position);
        var without = SegmentCodec.Without(segment, userId);
        using var packed = SegmentCodec.Pack(without);
        _rewriteSegment.Bind(1, position).Bind(2, without.Entries.Count).BindBlob(3, packed.Written).Run();
        return segment.Entries.Count - without.Entries.Count;
    }

    private Segment ReadSegment(long position)
    {
        try
        {
            _readSegment.Bind(1, position).Step();
            return SegmentCodec.Unpack(_readSegment.Bytes(0), position);
        }
        finally
        {
            _readSegment.Reset();
        }
    }
}

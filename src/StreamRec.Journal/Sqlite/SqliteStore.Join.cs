using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>Joining: when enough small segments have gathered, one transaction empties their table and writes few rows in their place.</summary>
/// <remarks>
/// Only what saved states contain is joined; the rest, of the last seconds, is put back. The writer does it between two commits, whoever owns
/// the partitions: there is no other process, and what is read stays the same. <see cref="SqliteSchema"/> says why the table is emptied as a whole.
/// </remarks>
internal sealed partial class SqliteStore
{
    // So many times JoinSegments may gather while saves are late; what comes then is kept for good as it is, so that the work stays bounded.
    private const int MostGathered = 8;

    private readonly SqliteStatement _insertJoined;
    private readonly SqliteStatement _countFolded;
    private readonly SqliteStatement _readRecent;
    private readonly SqliteStatement _clearRecent;
    private long _recent;
    private long _nextJoin;

    private bool TakesRecent(int bytes)
    {
        if (_joinSegments == 0 || bytes >= SegmentJoin.SmallBytes || _recent >= (long)MostGathered * _joinSegments)
        {
            return false;
        }

        _recent++;
        return true;
    }

    private int JoinSegments()
    {
        if (_joinSegments == 0 || _recent < _nextJoin)
        {
            return 0;
        }

        // Half at the least: so what is put back costs no more than what is joined.
        if (CountFolded() < Math.Max(2, _recent / 2))
        {
            _nextJoin = _recent + Math.Max(1, _joinSegments / 2);
            return 0;
        }

        _begin.Run();
        var (folded, unfolded) = ReadRecent();
        _clearRecent.Run();
        var rows = 0;
        foreach (var row in SegmentJoin.Join(folded))
        {
            _insertJoined.Bind(1, row.Row.Position).Bind(2, row.Row.LastPosition).Bind(3, row.Partition).Bind(4, row.Row.FirstOffset)
                .Bind(5, row.Row.NextOffset).BindBlob(6, row.Payload).Run();
            rows++;
        }

        foreach (var small in unfolded.OrderBy(small => small.Row.Position))
        {
            _insertRecent.Bind(1, small.Row.Position).Bind(2, small.Partition).Bind(3, small.Row.FirstOffset).Bind(4, small.Row.NextOffset)
                .BindBlob(5, small.Payload).Run();
        }

        _totals.Segments -= folded.Count - rows;
        Commit();
        _recent = unfolded.Count;
        _nextJoin = Math.Max(_joinSegments, 2 * _recent);
        return folded.Count;
    }

    private long CountFolded()
    {
        var count = _countFolded.Step() ? _countFolded.Int64(0) : 0;
        _countFolded.Reset();
        return count;
    }

    private (List<SegmentJoin.Small> Folded, List<SegmentJoin.Small> Unfolded) ReadRecent()
    {
        var (folded, unfolded) = (new List<SegmentJoin.Small>(), new List<SegmentJoin.Small>());
        while (_readRecent.Step())
        {
            var position = _readRecent.Int64(0);
            var row = new SegmentRow(position, position, _readRecent.Int64(2), _readRecent.Int64(3));
            (_readRecent.Int64(5) != 0 ? folded : unfolded).Add(new SegmentJoin.Small(_readRecent.Int64(1), row, _readRecent.Bytes(4).ToArray()));
        }

        _readRecent.Reset();
        return (folded, unfolded);
    }
}

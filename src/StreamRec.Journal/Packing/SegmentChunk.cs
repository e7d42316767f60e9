using StreamRec.Domain;

namespace StreamRec.Journal.Packing;

/// <summary>A bounded piece of the journal in the order of positions, put together from rows of which some hold several segments.</summary>
/// <remarks>
/// Given all rows that begin at or below the position and reach beyond it, then the rows that begin above it, in order: every segment up to
/// where the last of these begins is known. A reader needs nothing but that position to go on, so rows may be joined between two chunks.
/// </remarks>
internal sealed class SegmentChunk
{
    /// <summary>Rows above the position that it takes at most.</summary>
    public const int MaxRows = 64;

    private const int MaxBytes = 1024 * 1024;

    private readonly List<StoredSegment> _segments = [];
    private readonly long _afterPosition;
    private readonly long _upToPosition;
    private long _readTo;
    private int _rows;
    private int _bytes;

    public SegmentChunk(long afterPosition, long upToPosition)
    {
        (_afterPosition, _upToPosition) = (afterPosition, upToPosition);
    }

    /// <summary>Whether it is large enough: the rest is for the next chunk.</summary>
    public bool IsFull => _rows >= MaxRows || _bytes >= MaxBytes;

    /// <summary>Adds a row.</summary>
    /// <exception cref="JournalCorruptException">It cannot be read.</exception>
    public void Add(SegmentRow row, SourcePartition source, ReadOnlySpan<byte> payload)
    {
        _segments.AddRange(SegmentCodec.Unpack(payload, row, source));
        if (row.Position > _afterPosition)
        {
            _rows++;
            _bytes += payload.Length;
            _readTo = row.Position;
        }
    }

    /// <summary>The segments in order, and the position behind which the next chunk begins.</summary>
    public (IReadOnlyList<StoredSegment> Segments, long ReadTo) Take()
    {
        // Not full: there are no more rows.
        var readTo = IsFull ? _readTo : _upToPosition;
        _segments.RemoveAll(stored => stored.Position <= _afterPosition || stored.Position > readTo);
        _segments.Sort(static (a, b) => a.Position.CompareTo(b.Position));
        return (_segments, readTo);
    }
}

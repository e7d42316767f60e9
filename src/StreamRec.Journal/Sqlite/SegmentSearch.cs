using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>Which segments name a user: only their dictionaries are read.</summary>
internal static class SegmentSearch
{
    /// <summary>Positions of rows that reach beyond <paramref name="afterPosition"/>.</summary>
    /// <param name="segments">Selects position and payload of rows that reach beyond the position ?1.</param>
    /// <param name="userId">The user, UTF-8.</param>
    /// <param name="afterPosition">Where to begin.</param>
    /// <param name="cancellationToken">Checked at each segment.</param>
    public static List<long> Find(SqliteStatement segments, ReadOnlySpan<byte> userId, long afterPosition, CancellationToken cancellationToken)
    {
        var positions = new List<long>();
        try
        {
            segments.Bind(1, afterPosition);
            while (segments.Step())
            {
                cancellationToken.ThrowIfCancellationRequested();
                var position = segments.Int64(0);
                if (SegmentCodec.Mentions(segments.Bytes(1), userId, position))
                {
                    positions.Add(position);
                }
            }

            return positions;
        }
        finally
        {
            segments.Reset();
        }
    }
}

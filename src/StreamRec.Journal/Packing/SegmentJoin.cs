using StreamRec.Domain;

namespace StreamRec.Journal.Packing;

/// <summary>Which segments share a row, and the row. What is read of them stays the same, position by position.</summary>
/// <remarks>
/// A segment of one interaction is mostly what a row and its indices cost. Each is rewritten once in its life: a row is full, or holds all that
/// there was, and is not joined again.
/// </remarks>
internal static class SegmentJoin
{
    /// <summary>A packed segment below this is small: in a larger one the row costs a few hundredths.</summary>
    public const int SmallBytes = 1024;

    /// <summary>
    /// From a row's first position to its last, at most; readers look so far back for rows that reach beyond where they stand.
    /// </summary>
    public const long MaxSpan = 65_536;

    // Of the members. Readers unpack the rows of all partitions that stand side by side, so they are kept shorter than a chunk.
    private const int MaxBytes = 16 * 1024;

    /// <summary>One small segment as it is stored.</summary>
    /// <param name="Partition">The partition's id.</param>
    /// <param name="Row">Its row.</param>
    /// <param name="Payload">Packed.</param>
    public readonly record struct Small(long Partition, SegmentRow Row, byte[] Payload);

    /// <summary>A row in the place of some.</summary>
    /// <param name="Partition">The partition's id.</param>
    /// <param name="Row">The row.</param>
    /// <param name="Payload">Packed; as it was where nothing is joined.</param>
    /// <param name="Members">What is in it, in order.</param>
    public readonly record struct Joined(long Partition, SegmentRow Row, byte[] Payload, IReadOnlyList<Small> Members);

    /// <summary>Joins what stands next to each other. One that has no neighbour, or cannot be read, comes back as it is.</summary>
    /// <param name="segments">By partition, then by position.</param>
    public static IEnumerable<Joined> Join(IEnumerable<Small> segments)
    {
        var (group, unpacked, bytes) = (new List<Small>(), new List<(long, Segment)>(), 0);
        foreach (var small in segments)
        {
            var segment = TryUnpack(small);
            if (group.Count > 0 && (segment is null || unpacked.Count == 0 || bytes + small.Payload.Length > MaxBytes || !Follows(small, group)))
            {
                yield return Row(group, unpacked);
                (group, unpacked, bytes) = ([], [], 0);
            }

            group.Add(small);
            bytes += small.Payload.Length;
            if (segment is not null)
            {
                unpacked.Add((small.Row.Position, segment));
            }
        }

        if (group.Count > 0)
        {
            yield return Row(group, unpacked);
        }
    }

    private static bool Follows(Small small, List<Small> group) =>
        small.Partition == group[^1].Partition && small.Row.FirstOffset == group[^1].Row.NextOffset
        && small.Row.Position - group[0].Row.Position < MaxSpan;

    private static Joined Row(List<Small> group, List<(long Position, Segment Segment)> unpacked)
    {
        if (group.Count == 1)
        {
            return new Joined(group[0].Partition, group[0].Row, group[0].Payload, group);
        }

        var (segment, members) = SegmentCodec.Join(unpacked);
        using var packed = SegmentCodec.Pack(segment, members: members);
        var row = new SegmentRow(members[0].Position, members[^1].Position, segment.FirstOffset, segment.NextOffset);
        return new Joined(group[0].Partition, row, packed.Written.ToArray(), group);
    }

    // Whoever reads it is told what is wrong; joining is no reason to stop.
    private static Segment? TryUnpack(Small small)
    {
        try
        {
            var segment = SegmentCodec.Unpack(small.Payload, small.Row.Position, out var members);
            return members.Length == 0 && segment.FirstOffset == small.Row.FirstOffset && segment.NextOffset == small.Row.NextOffset ? segment : null;
        }
        catch (JournalCorruptException)
        {
            return null;
        }
    }
}

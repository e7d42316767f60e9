using StreamRec.Domain;

namespace StreamRec.Journal.Packing;

/// <summary>One of the segments that were joined. It begins at the offset where the one before it ends.</summary>
/// <param name="Position">Its journal position, as it was given out.</param>
/// <param name="NextOffset">As in <see cref="Segment"/>.</param>
/// <param name="CompletedOffset">As in <see cref="Segment"/>.</param>
internal readonly record struct Member(long Position, long NextOffset, long CompletedOffset);

/// <summary>What a row says of its payload.</summary>
/// <param name="Position">Of its first segment.</param>
/// <param name="LastPosition">Of its last one; the same where there is one only.</param>
/// <param name="FirstOffset">As in <see cref="Segment"/>.</param>
/// <param name="NextOffset">As in <see cref="Segment"/>.</param>
internal readonly record struct SegmentRow(long Position, long LastPosition, long FirstOffset, long NextOffset);

/// <summary>
/// Joined segments: the columns and the dictionary of all together, and for each member its position (distance to the one before),
/// its offsets (next - first) and what was completed (next - completed).
/// </summary>
internal static partial class SegmentCodec
{
    private const int MinMemberBytes = 3;

    /// <summary>Joins segments of one partition, each beginning at the offset where the one before ends.</summary>
    /// <returns>All entries under one dictionary, and what <see cref="Split"/> needs to take them apart.</returns>
    public static (Segment Segment, Member[] Members) Join(IReadOnlyList<(long Position, Segment Segment)> segments)
    {
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var users = new List<string>();
        var entries = new List<SegmentEntry>();
        var members = new Member[segments.Count];
        for (var i = 0; i < members.Length; i++)
        {
            var (position, segment) = segments[i];
            foreach (var entry in segment.Entries)
            {
                entries.Add(entry with { User = NumberOf(segment.Users[entry.User], numbers, users) });
            }

            members[i] = new Member(position, segment.NextOffset, segment.CompletedOffset);
        }

        var (first, last) = (segments[0].Segment, segments[^1].Segment);
        return (new Segment(first.FirstOffset, last.NextOffset, last.CompletedOffset, users, entries), members);
    }

    /// <summary>The opposite of <see cref="Join"/>: each segment as it was appended, users in the order of their first entries.</summary>
    private static StoredSegment[] Split(Segment joined, Member[] members, SourcePartition source)
    {
        var segments = new StoredSegment[members.Length];
        var (first, at) = (joined.FirstOffset, 0);
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < members.Length; i++)
        {
            var member = members[i];
            var from = at;
            while (at < joined.Entries.Count && joined.Entries[at].Offset < member.NextOffset)
            {
                at++;
            }

            numbers.Clear();
            var users = new List<string>();
            var entries = new SegmentEntry[at - from];
            for (var n = 0; n < entries.Length; n++)
            {
                var entry = joined.Entries[from + n];
                entries[n] = entry with { User = NumberOf(joined.Users[entry.User], numbers, users) };
            }

            segments[i] = new StoredSegment(member.Position, source, new Segment(first, member.NextOffset, member.CompletedOffset, users, entries));
            first = member.NextOffset;
        }

        return segments;
    }

    private static int NumberOf(string user, Dictionary<string, int> numbers, List<string> users)
    {
        if (!numbers.TryGetValue(user, out var number))
        {
            numbers.Add(user, number = users.Count);
            users.Add(user);
        }

        return number;
    }

    private static void PackMembers(Segment segment, IReadOnlyCollection<Member> members, PackedWriter writer)
    {
        writer.Varint((ulong)members.Count);
        var (position, first) = (members.First().Position, segment.FirstOffset);
        foreach (var member in members)
        {
            writer.Varint((ulong)(member.Position - position));
            writer.Varint((ulong)(member.NextOffset - first));
            writer.Varint((ulong)(member.NextOffset - member.CompletedOffset));
            (position, first) = (member.Position, member.NextOffset);
        }
    }

    private static Member[] UnpackMembers(ref PackedReader reader, long position, long first, long next)
    {
        var members = new Member[reader.Count("the number of joined segments", MinMemberBytes)];
        for (var i = 0; i < members.Length; i++)
        {
            var distance = reader.Number("the distance to a joined segment's position", long.MaxValue - position);
            if (distance == 0 != (i == 0))
            {
                throw new MalformedException($"joined segment {i} stands {distance} behind position {position}");
            }

            position += distance;
            first += reader.Number("the length of a joined segment", next - first);
            members[i] = new Member(position, first, first - reader.Number("the distance from a joined segment's completed offset", first));
        }

        return first == next ? members : throw new MalformedException($"its joined segments end at offset {first}, it ends at {next}");
    }
}

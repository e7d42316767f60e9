using System.Buffers.Binary;
using System.Runtime.InteropServices;
using StreamRec.Domain;

namespace StreamRec.Journal.Packing;

/// <summary>
/// Packs a segment into one blob: a dictionary of its users, then a column per field, then a checksum. About 20 bytes an
/// interaction.
/// </summary>
/// <remarks>
/// Format 1: format (1 byte), flags (1), users, entries, first offset, next - first, next - completed (varints);
/// the users as length-prefixed UTF-8, first so that a search for one user reads nothing else;
/// then the columns user (0 = the next user not met yet, else index + 1), item (varints), type (4 bits each),
/// offset (runs without a gap: distance to the run, its length minus one), timestamp (zigzag of the difference),
/// value (bitmap, then the doubles that exist), event id (bitmap, then the texts that exist), of joined segments each
/// one's share (<see cref="Member"/>), zeros in a segment that was rewritten to its old length, and CRC-32C of everything before.
/// </remarks>
internal static partial class SegmentCodec
{
    private const byte Format = 1;
    private const int MaxType = 7;

    // user, item, half a type and timestamp: what an entry takes at the very least, in whole bytes.
    private const int MinEntryBytes = 3;
    private const int MinUserBytes = 1;

    [Flags]
    private enum Has : byte
    {
        Nothing = 0,
        Values = 1,
        EventIds = 2,
        Members = 4,
        All = Values | EventIds | Members,
    }

    /// <summary>The packed segment in a pooled buffer that the caller disposes.</summary>
    /// <exception cref="ArgumentException">The segment breaks a rule of <see cref="Segment"/>; what it says names the entry.</exception>
    /// <param name="segment">The segment.</param>
    /// <param name="length">Zeros fill it up to this length when it is shorter.</param>
    /// <param name="members">The segments that this one was joined from; none for one that stands for itself.</param>
    public static PackedWriter Pack(Segment segment, int length = 0, IReadOnlyCollection<Member>? members = null)
    {
        var has = Inspect(segment) | (members is { Count: > 0 } ? Has.Members : Has.Nothing);
        var writer = new PackedWriter(Math.Max(length, Capacity(segment, members?.Count ?? 0)));
        try
        {
            writer.Byte(Format);
            writer.Byte((byte)has);
            writer.Varint((ulong)segment.Users.Count);
            writer.Varint((ulong)segment.Entries.Count);
            writer.Varint((ulong)segment.FirstOffset);
            writer.Varint((ulong)(segment.NextOffset - segment.FirstOffset));
            writer.Varint((ulong)(segment.NextOffset - segment.CompletedOffset));
            PackUsers(segment.Users, writer);
            PackColumns(segment, has, writer);
            if (has.HasFlag(Has.Members))
            {
                PackMembers(segment, members!, writer);
            }

            writer.Block(Math.Max(0, length - sizeof(uint) - writer.Length));
            writer.Checksum(0, seed: 0);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    private static Has Inspect(Segment segment)
    {
        if (segment.FirstOffset < 0 || segment.NextOffset < segment.FirstOffset || segment.CompletedOffset < 0
            || segment.CompletedOffset > segment.NextOffset)
        {
            throw new ArgumentException(
                $"A segment runs from offset {segment.FirstOffset} to {segment.NextOffset}, completed {segment.CompletedOffset}; "
                + "0 <= first <= next and 0 <= completed <= next must hold.",
                nameof(segment));
        }

        var entries = SpanOf(segment.Entries);
        var has = Has.Nothing;
        var least = segment.FirstOffset;
        for (var i = 0; i < entries.Length; i++)
        {
            var entry = entries[i];
            if ((uint)entry.User >= (uint)segment.Users.Count || (uint)entry.Item >= SequenceEntry.MaxItems
                || (int)entry.Type > MaxType || entry.Offset < least || entry.Offset >= segment.NextOffset)
            {
                throw new ArgumentException(
                    $"Entry {i} is user {entry.User} of {segment.Users.Count}, item {entry.Item}, type {entry.Type}, "
                    + $"offset {entry.Offset}; "
                    + $"offsets must ascend within [{least}, {segment.NextOffset}), the others lie in their ranges.",
                    nameof(segment));
            }

            has |= double.IsNaN(entry.Value) ? Has.Nothing : Has.Values;
            has |= entry.EventId is null ? Has.Nothing : Has.EventIds;
            least = entry.Offset + 1;
        }

        return has;
    }

    // The worst case of every field, so that the writer never grows; UTF-16 becomes at most three bytes a unit.
    private static int Capacity(Segment segment, int members)
    {
        var capacity = 128L + (3L * members + 1) * PackedWriter.MaxVarint
            + (long)segment.Entries.Count * (5 * PackedWriter.MaxVarint + sizeof(double) + 1);
        foreach (var user in segment.Users is IdList ? [] : segment.Users)
        {
            capacity += PackedWriter.MaxVarint + 3L * user.Length;
        }

        capacity += segment.Users is IdList ids ? (PackedWriter.MaxVarint * (long)ids.Count) + ids.Bytes : 0;

        foreach (ref readonly var entry in SpanOf(segment.Entries))
        {
            capacity += entry.EventId is { } id ? PackedWriter.MaxVarint + 3L * id.Length : 0;
        }

        return capacity <= Array.MaxLength
            ? (int)capacity
            : throw new ArgumentException(
                $"A segment of {segment.Entries.Count} entries does not fit {Array.MaxLength} bytes; append it in pieces.", nameof(segment));
    }

    private static void PackUsers(IReadOnlyList<string> users, PackedWriter writer)
    {
        if (users is IdList ids)
        {
            for (var i = 0; i < ids.Count; i++)
            {
                writer.Text(ids.Utf8(i));
            }

            return;
        }

        foreach (var user in users)
        {
            writer.Text(user);
        }
    }

    private static void PackColumns(Segment segment, Has has, PackedWriter writer)
    {
        var entries = SpanOf(segment.Entries);
        var met = 0;
        foreach (var entry in entries)
        {
            writer.Varint(entry.User == met ? 0 : (ulong)entry.User + 1);
            met = Math.Max(met, entry.User + 1);
        }

        foreach (var entry in entries)
        {
            writer.Varint((ulong)entry.Item);
        }

        var types = writer.Block((entries.Length + 1) / 2);
        for (var i = 0; i < entries.Length; i++)
        {
            types[i / 2] |= (byte)((int)entries[i].Type << (i % 2 * 4));
        }

        PackOffsets(entries, segment.FirstOffset, writer);
        var before = 0L;
        foreach (var entry in entries)
        {
            writer.Zigzag(entry.TimestampMs - before);
            before = entry.TimestampMs;
        }

        if (has.HasFlag(Has.Values))
        {
            PackBitmap(entries, entry => !double.IsNaN(entry.Value), writer);
            foreach (var entry in entries)
            {
                if (!double.IsNaN(entry.Value))
                {
                    BinaryPrimitives.WriteDoubleLittleEndian(writer.Block(sizeof(double)), entry.Value);
                }
            }
        }

        if (has.HasFlag(Has.EventIds))
        {
            PackBitmap(entries, entry => entry.EventId is not null, writer);
            foreach (var entry in entries)
            {
                if (entry.EventId is { } id)
                {
                    writer.Text(id);
                }
            }
        }
    }

    private static void PackOffsets(ReadOnlySpan<SegmentEntry> entries, long least, PackedWriter writer)
    {
        for (var i = 0; i < entries.Length;)
        {
            var first = i++;
            while (i < entries.Length && entries[i].Offset == entries[i - 1].Offset + 1)
            {
                i++;
            }

            writer.Varint((ulong)(entries[first].Offset - least));
            writer.Varint((ulong)(i - first - 1));
            least = entries[i - 1].Offset + 1;
        }
    }

    private static void PackBitmap(ReadOnlySpan<SegmentEntry> entries, Func<SegmentEntry, bool> isSet, PackedWriter writer)
    {
        var bitmap = writer.Block((entries.Length + 7) / 8);
        for (var i = 0; i < entries.Length; i++)
        {
            bitmap[i / 8] |= (byte)(isSet(entries[i]) ? 1 << (i % 8) : 0);
        }
    }

    /// <summary>The entries without an enumerator and without copying each: they are large, and many passes read them.</summary>
    private static ReadOnlySpan<SegmentEntry> SpanOf(IReadOnlyList<SegmentEntry> entries) => entries switch
    {
        SegmentEntry[] array => array,
        List<SegmentEntry> list => CollectionsMarshal.AsSpan(list),
        var other => other.ToArray(),
    };
}

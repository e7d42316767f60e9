using System.Buffers.Binary;
using StreamRec.Domain;

namespace StreamRec.Journal.Packing;

/// <summary>
/// Reading: hostile bytes give <see cref="JournalCorruptException"/>, never another exception or more memory than a few times
/// their size.
/// </summary>
internal static partial class SegmentCodec
{
    /// <exception cref="JournalCorruptException">The bytes are not a segment.</exception>
    public static Segment Unpack(ReadOnlySpan<byte> packed, long position) => Unpack(packed, position, out _);

    /// <summary>A segment and those that it was joined from, if it was.</summary>
    /// <exception cref="JournalCorruptException">The bytes are not a segment.</exception>
    public static Segment Unpack(ReadOnlySpan<byte> packed, long position, out Member[] members)
    {
        try
        {
            var reader = PackedReader.Checked(packed, seed: 0);
            return Unpack(ref reader, position, out members);
        }
        catch (MalformedException e)
        {
            throw Corrupt(position, e);
        }
    }

    /// <summary>What a row holds, joined segments each for itself; position and offsets must be those that the row names.</summary>
    /// <exception cref="JournalCorruptException">The bytes are not a segment, or another one.</exception>
    public static IReadOnlyList<StoredSegment> Unpack(ReadOnlySpan<byte> packed, SegmentRow row, SourcePartition source)
    {
        var segment = Unpack(packed, row.Position, out var members);
        var lastPosition = members.Length == 0 ? row.Position : members[^1].Position;
        if (segment.FirstOffset != row.FirstOffset || segment.NextOffset != row.NextOffset || lastPosition != row.LastPosition)
        {
            throw new JournalCorruptException(
                $"The segment at journal position {row.Position} holds positions up to {lastPosition} and offsets {segment.FirstOffset} to "
                + $"{segment.NextOffset}, but its row says {row.LastPosition} and {row.FirstOffset} to {row.NextOffset}. "
                + "Restore the journal from a backup.");
        }

        return members.Length == 0 ? [new StoredSegment(row.Position, source, segment)] : Split(segment, members, source);
    }

    /// <summary>Whether the user is in the segment's dictionary; the columns are not read.</summary>
    /// <exception cref="JournalCorruptException">The bytes are not a segment.</exception>
    public static bool Mentions(ReadOnlySpan<byte> packed, ReadOnlySpan<byte> userId, long position)
    {
        try
        {
            var reader = PackedReader.Checked(packed, seed: 0);
            var found = false;
            for (var left = ReadHeader(ref reader).Users; left > 0; left--)
            {
                found |= reader.TextBytes().SequenceEqual(userId);
            }

            return found;
        }
        catch (MalformedException e)
        {
            throw Corrupt(position, e);
        }
    }

    /// <summary>The segment as it would be had the user never been: other entries and all offsets are as before.</summary>
    public static Segment Without(Segment segment, string userId)
    {
        var kept = new List<string>(segment.Users.Count);
        var renumbered = new int[segment.Users.Count];
        for (var user = 0; user < renumbered.Length; user++)
        {
            renumbered[user] = segment.Users[user] == userId ? -1 : kept.Count;
            if (renumbered[user] >= 0)
            {
                kept.Add(segment.Users[user]);
            }
        }

        var entries = segment.Entries
            .Where(entry => renumbered[entry.User] >= 0)
            .Select(entry => entry with { User = renumbered[entry.User] })
            .ToArray();
        return segment with { Users = kept, Entries = entries };
    }

    private static (Has Has, int Users, int Entries, long First, long Next, long Completed) ReadHeader(ref PackedReader reader)
    {
        var format = reader.Byte();
        if (format != Format)
        {
            throw new MalformedException($"its format is {format}, this build reads {Format}");
        }

        var has = (Has)reader.Byte();
        if ((has & ~Has.All) != 0)
        {
            throw new MalformedException($"its flags are {(int)has}, this build knows {(int)Has.All}");
        }

        var users = reader.Count("the number of users", MinUserBytes);
        var entries = reader.Count("the number of entries", MinEntryBytes);
        var first = reader.Number("the first offset", long.MaxValue);
        var next = first + reader.Number("the distance to the next offset", long.MaxValue - first);
        var completed = next - reader.Number("the distance from the completed offset", next);
        return (has, users, entries, first, next, completed);
    }

    private static Segment Unpack(ref PackedReader reader, long position, out Member[] members)
    {
        var (has, userCount, entryCount, first, next, completed) = ReadHeader(ref reader);
        var users = new string[userCount];
        for (var i = 0; i < users.Length; i++)
        {
            users[i] = reader.Text();
        }

        var entries = new SegmentEntry[entryCount];
        UnpackUsers(ref reader, userCount, entries);
        UnpackItemsAndTypes(ref reader, entries);
        UnpackOffsets(ref reader, first, next, entries);
        UnpackTimestamps(ref reader, entries);
        UnpackValuesAndEventIds(ref reader, has, entries);
        members = has.HasFlag(Has.Members) ? UnpackMembers(ref reader, position, first, next) : [];
        reader.EndWithZeros();
        return new Segment(first, next, completed, users, entries);
    }

    private static void UnpackUsers(ref PackedReader reader, int userCount, SegmentEntry[] entries)
    {
        var met = 0;
        for (var i = 0; i < entries.Length; i++)
        {
            var stored = (int)reader.Number("a user's index", userCount);
            var user = stored == 0 ? met : stored - 1;
            met = Math.Max(met, user + 1);
            if (met > userCount)
            {
                throw new MalformedException($"entry {i} names user {user} of {userCount}");
            }

            entries[i] = new SegmentEntry(user, 0, default, 0, 0, double.NaN, null);
        }
    }

    private static void UnpackItemsAndTypes(ref PackedReader reader, SegmentEntry[] entries)
    {
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = entries[i] with { Item = (int)reader.Number("an item number", SequenceEntry.MaxItems - 1) };
        }

        var types = reader.Block((entries.Length + 1) / 2);
        for (var i = 0; i < entries.Length; i++)
        {
            var type = (types[i / 2] >> (i % 2 * 4)) & 0xf;
            entries[i] = type <= MaxType
                ? entries[i] with { Type = (InteractionType)type }
                : throw new MalformedException($"the type of entry {i} is {type}; at most {MaxType} is possible");
        }
    }

    private static void UnpackOffsets(ref PackedReader reader, long first, long next, SegmentEntry[] entries)
    {
        var least = first;
        for (var i = 0; i < entries.Length;)
        {
            // Distance and length are each bounded by what is left below `next`, so no sum can overflow.
            var step = reader.Number("the distance to a run of offsets", next - least);
            var more = reader.Number("the length of a run of offsets", entries.Length - i - 1);
            if (more >= next - least - step)
            {
                throw new MalformedException($"the offsets of entries {i} to {i + more} leave [{first}, {next})");
            }

            for (least += step; more >= 0; more--)
            {
                entries[i] = entries[i] with { Offset = least++ };
                i++;
            }
        }
    }

    private static void UnpackTimestamps(ref PackedReader reader, SegmentEntry[] entries)
    {
        // Differences wrap around on both sides: any two 64-bit timestamps survive.
        var timestamp = 0L;
        for (var i = 0; i < entries.Length; i++)
        {
            timestamp = unchecked(timestamp + reader.Zigzag());
            entries[i] = entries[i] with { TimestampMs = timestamp };
        }
    }

    private static void UnpackValuesAndEventIds(ref PackedReader reader, Has has, SegmentEntry[] entries)
    {
        if (has.HasFlag(Has.Values))
        {
            var bitmap = reader.Block((entries.Length + 7) / 8);
            for (var i = 0; i < entries.Length; i++)
            {
                if (IsSet(bitmap, i))
                {
                    entries[i] = entries[i] with { Value = BinaryPrimitives.ReadDoubleLittleEndian(reader.Block(sizeof(double))) };
                }
            }
        }

        if (has.HasFlag(Has.EventIds))
        {
            var bitmap = reader.Block((entries.Length + 7) / 8);
            for (var i = 0; i < entries.Length; i++)
            {
                if (IsSet(bitmap, i))
                {
                    entries[i] = entries[i] with { EventId = reader.Text() };
                }
            }
        }
    }

    private static bool IsSet(ReadOnlySpan<byte> bitmap, int i) => (bitmap[i / 8] & (1 << (i % 8))) != 0;

    private static JournalCorruptException Corrupt(long position, MalformedException e) =>
        new($"The segment at journal position {position} cannot be read: {e.Message}. Restore the journal from a backup.", e);
}

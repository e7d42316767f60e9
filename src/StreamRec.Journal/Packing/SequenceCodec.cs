using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using StreamRec.Domain;

namespace StreamRec.Journal.Packing;

/// <summary>
/// Packs a behaviour sequence into a user row: a fixed header, then entries and event fingerprints as raw blocks, so that a
/// load is two copies.
/// </summary>
/// <remarks>
/// Little endian: format (1 byte), 0 (1), fingerprints (2), entries (4), count (8), last timestamp (8), position (8), entries (4 each),
/// fingerprints (8 each), CRC-32C (4) over the user id and everything before, so that a row under another user's id is refused.
/// </remarks>
internal static class SequenceCodec
{
    private const byte Format = 1;
    private const int Header = 32;

    public static int PackedLength(in UserState state) =>
        Header + state.Entries.Length * sizeof(uint) + state.RecentEvents.Length * sizeof(ulong) + sizeof(uint);

    public static void Pack(in UserState state, PackedWriter writer)
    {
        var start = writer.Length;
        var header = writer.Block(Header);
        header[0] = Format;
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], (ushort)state.RecentEvents.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], state.Entries.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], state.Count);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], state.LastTimestampMs);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], state.Position);
        CopyOut(state.Entries, writer);
        CopyOut(state.RecentEvents, writer);
        writer.Checksum(start, PackedWriter.Crc32C(0, state.UserId));
    }

    /// <exception cref="JournalCorruptException">The bytes are not a state of this user.</exception>
    public static BehaviorSequence Unpack(string userId, ReadOnlySpan<byte> userIdUtf8, ReadOnlySpan<byte> packed)
    {
        try
        {
            var reader = PackedReader.Checked(packed, PackedWriter.Crc32C(0, userIdUtf8));
            return Unpack(userId, ref reader);
        }
        catch (MalformedException e)
        {
            throw new JournalCorruptException(
                $"The saved state of the user with SHA-256 {Fingerprint(userIdUtf8)} cannot be read: {e.Message}. "
                + "Restore the journal from a backup.",
                e);
        }
    }

    /// <summary>What names a user where the id itself must not stand: SHA-256, hexadecimal.</summary>
    public static string Fingerprint(ReadOnlySpan<byte> userId) => Convert.ToHexStringLower(SHA256.HashData(userId));

    private static BehaviorSequence Unpack(string userId, ref PackedReader reader)
    {
        var header = reader.Block(Header);
        if (header[0] != Format)
        {
            throw new MalformedException($"its format is {header[0]}, this build reads {Format}");
        }

        var recentLength = BinaryPrimitives.ReadUInt16LittleEndian(header[2..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        var count = BinaryPrimitives.ReadInt64LittleEndian(header[8..]);
        if (length > int.MaxValue / sizeof(uint) || recentLength > BehaviorSequence.MaxRecentEvents
            || count < length || count < recentLength)
        {
            throw new MalformedException($"it claims {length} entries and {recentLength} event ids of {count} interactions");
        }

        // The blocks are taken, and so known to exist, before anything is allocated for them.
        var entryBytes = reader.Block((int)length * sizeof(uint));
        var recentBytes = reader.Block(recentLength * sizeof(ulong));
        reader.End();
        return new BehaviorSequence(
            userId,
            count,
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[24..]),
            CopyIn<SequenceEntry>(entryBytes),
            recentLength == 0 ? null : CopyIn<ulong>(recentBytes));
    }

    private static void CopyOut<T>(ReadOnlySpan<T> values, PackedWriter writer)
        where T : unmanaged
    {
        var bytes = MemoryMarshal.AsBytes(values);
        bytes.CopyTo(writer.Block(bytes.Length));
    }

    private static T[] CopyIn<T>(ReadOnlySpan<byte> bytes)
        where T : unmanaged
        => MemoryMarshal.Cast<byte, T>(bytes).ToArray();
}

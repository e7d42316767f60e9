using System.Buffers.Binary;
using System.Text.Unicode;

namespace StreamRec.Journal.Packing;

/// <summary>Packed bytes that cannot have been written by us. The codec that meets it says which record it was.</summary>
internal sealed class MalformedException(string message) : Exception(message);

/// <summary>
/// Reads what <see cref="PackedWriter"/> wrote and trusts none of it: every length is checked against what is left before it is
/// used.
/// </summary>
internal ref struct PackedReader
{
    private readonly ReadOnlySpan<byte> _bytes;
    private int _at;

    private PackedReader(ReadOnlySpan<byte> bytes)
    {
        _bytes = bytes;
    }

    private readonly int Left => _bytes.Length - _at;

    /// <summary>A reader of everything before the checksum, once that is right.</summary>
    public static PackedReader Checked(ReadOnlySpan<byte> bytes, uint seed)
    {
        if (bytes.Length < sizeof(uint))
        {
            throw new MalformedException($"it has {bytes.Length} bytes, too few for a checksum");
        }

        var body = bytes[..^sizeof(uint)];
        var stored = BinaryPrimitives.ReadUInt32LittleEndian(bytes[^sizeof(uint)..]);
        var computed = PackedWriter.Crc32C(seed, body);
        return stored == computed
            ? new PackedReader(body)
            : throw new MalformedException($"its checksum is {stored:x8} but its bytes give {computed:x8}");
    }

    public byte Byte() => Left > 0 ? _bytes[_at++] : throw Short(1);

    public ulong Varint()
    {
        var bytes = _bytes;
        var at = _at;
        if ((uint)at < (uint)bytes.Length && bytes[at] < 0x80)
        {
            _at = at + 1;
            return bytes[at];
        }

        return LongVarint();
    }

    private ulong LongVarint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            if (shift == 63 && part > 1)
            {
                break;
            }

            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw new MalformedException($"the number that ends at byte {_at} does not fit 64 bits");
    }

    public long Zigzag()
    {
        var value = Varint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    /// <summary>A number from 0 to <paramref name="max"/>.</summary>
    public long Number(string what, long max)
    {
        var value = Varint();
        return value <= (ulong)max ? (long)value : throw new MalformedException($"{what} is {value}; at most {max} is possible");
    }

    /// <summary>
    /// A count of things that take at least <paramref name="minBytes"/> each: what it allocates is bounded by what is there.
    /// </summary>
    public int Count(string what, int minBytes) => (int)Number(what, Left / minBytes);

    public ReadOnlySpan<byte> Block(int length)
    {
        if ((uint)length > (uint)Left)
        {
            throw Short(length);
        }

        var block = _bytes.Slice(_at, length);
        _at += length;
        return block;
    }

    /// <summary>The bytes of a text, not yet checked to be UTF-8.</summary>
    public ReadOnlySpan<byte> TextBytes() => Block(Count("a text's length", 1));

    public string Text()
    {
        var bytes = TextBytes();
        return Utf8.IsValid(bytes)
            ? PackedWriter.StrictUtf8.GetString(bytes)
            : throw new MalformedException($"the text that ends at byte {_at} is not UTF-8");
    }

    public readonly void End()
    {
        if (Left != 0)
        {
            throw new MalformedException($"{Left} bytes are left over");
        }
    }

    /// <summary>Nothing but zeros may be left.</summary>
    public readonly void EndWithZeros()
    {
        if (_bytes[_at..].ContainsAnyExcept((byte)0))
        {
            throw new MalformedException($"what is left behind byte {_at} is not zeros");
        }
    }

    private readonly MalformedException Short(int wanted) =>
        new($"{wanted} bytes are wanted at byte {_at}, but only {Left} are left");
}

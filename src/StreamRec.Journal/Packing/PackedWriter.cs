using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace StreamRec.Journal.Packing;

/// <summary>
/// Writes packed bytes into one pooled buffer that is large enough from the start. Whoever disposes it gives the buffer back.
/// </summary>
internal sealed class PackedWriter : IDisposable
{
    /// <summary>Refuses lone surrogates: two different ids must never become the same bytes.</summary>
    public static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public const int MaxVarint = 10;

    private byte[] _buffer;
    private int _length;

    public PackedWriter(int capacity)
    {
        _buffer = ArrayPool<byte>.Shared.Rent(capacity);
    }

    public int Length => _length;

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    public void Byte(byte value) => _buffer[_length++] = value;

    public void Varint(ulong value)
    {
        var buffer = _buffer;
        var at = _length;
        while (value >= 0x80)
        {
            buffer[at++] = (byte)(value | 0x80);
            value >>= 7;
        }

        buffer[at++] = (byte)value;
        _length = at;
    }

    public void Zigzag(long value) => Varint((ulong)((value << 1) ^ (value >> 63)));

    /// <summary>Length in bytes, then UTF-8.</summary>
    /// <exception cref="ArgumentException">The text has a lone surrogate.</exception>
    public void Text(string text)
    {
        // The length of nearly every id fits one byte: encode behind it, and move only in the rare other case.
        var bytes = StrictUtf8.GetBytes(text, _buffer.AsSpan(_length + 1));
        if (bytes < 0x80)
        {
            _buffer[_length] = (byte)bytes;
            _length += bytes + 1;
            return;
        }

        Varint((ulong)bytes);
        _length += StrictUtf8.GetBytes(text, _buffer.AsSpan(_length));
    }

    /// <summary>Length in bytes, then the bytes of a valid text.</summary>
    public void Text(ReadOnlySpan<byte> utf8)
    {
        Varint((ulong)utf8.Length);
        Raw(utf8);
    }

    /// <summary>Bytes without a length.</summary>
    public void Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
    }

    /// <summary>A zeroed block to fill in place.</summary>
    public Span<byte> Block(int length)
    {
        var block = _buffer.AsSpan(_length, length);
        block.Clear();
        _length += length;
        return block;
    }

    /// <summary>CRC-32C of everything from <paramref name="start"/> on, continued from a seed.</summary>
    public void Checksum(int start, uint seed)
    {
        var crc = Crc32C(seed, _buffer.AsSpan(start, _length - start));
        BinaryPrimitives.WriteUInt32LittleEndian(Block(sizeof(uint)), crc);
    }

    public static uint Crc32C(uint seed, ReadOnlySpan<byte> bytes)
    {
        var crc = ~seed;
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (var value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }

    public void Dispose()
    {
        var buffer = Interlocked.Exchange(ref _buffer, []);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

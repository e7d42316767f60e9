using System.Buffers.Binary;
using System.Text;

namespace StreamRec.Models.Text;

/// <summary>The normalization that a SentencePiece model carries with it: bytes of UTF-8 to the text that stands for them, the longest match first.</summary>
/// <remarks>
/// A double-array trie of 32-bit units over the bytes, then the texts, each ended by a zero. A unit holds the byte that leads to it (bits 0 to 7),
/// whether a value follows (bit 8), and how far its children are (bits 10 to 30, times 256 where bit 9 is set); a value is a place among the texts.
/// Source: Aoe 1989; the layout is that of SentencePiece's model files.
/// </remarks>
internal sealed class CharacterMap
{
    private readonly uint[] _units;
    private readonly byte[] _texts;

    /// <param name="data">Length of the trie in bytes as 32 bits, the trie, the texts.</param>
    /// <exception cref="InvalidDataException">They are something else.</exception>
    public CharacterMap(ReadOnlySpan<byte> data)
    {
        var length = data.Length < sizeof(uint) ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(data);
        if (length > data.Length - sizeof(uint) || length % sizeof(uint) != 0 || length == 0)
        {
            throw new InvalidDataException($"the character map of {data.Length} bytes begins with a trie of {length}");
        }

        _units = new uint[length / sizeof(uint)];
        for (var i = 0; i < _units.Length; i++)
        {
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(data[((i + 1) * sizeof(uint))..]);
        }

        _texts = data[(sizeof(uint) + (int)length)..].ToArray();
        if (_texts.Length == 0 || _texts[^1] != 0)
        {
            throw new InvalidDataException("the texts of the character map do not end with a zero byte");
        }
    }

    /// <summary>Normalizes a text; what the map does not mention stays.</summary>
    /// <exception cref="InvalidDataException">The map points beyond its texts.</exception>
    public string Map(ReadOnlySpan<char> text)
    {
        var utf8 = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, utf8);
        var result = new List<byte>(utf8.Length);
        for (var rest = (ReadOnlySpan<byte>)utf8; rest.Length > 0;)
        {
            if (TryFind(rest, out var length, out var place))
            {
                var mapped = _texts.AsSpan(place);
                result.AddRange(mapped[..mapped.IndexOf((byte)0)]);
            }
            else
            {
                Rune.DecodeFromUtf8(rest, out _, out length);
                result.AddRange(rest[..length]);
            }

            rest = rest[length..];
        }

        return Encoding.UTF8.GetString([.. result]);
    }

    private bool TryFind(ReadOnlySpan<byte> text, out int length, out int place)
    {
        (length, place) = (0, 0);
        var node = Children(_units[0]);
        for (var i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            if (node >= _units.Length || (_units[node] & 0x8000_00FF) != text[i])
            {
                break;
            }

            var unit = _units[node];
            node ^= Children(unit);
            if ((unit & 0x100) != 0)
            {
                var value = node < _units.Length ? _units[node] & 0x7FFF_FFFF : uint.MaxValue;
                if (value >= _texts.Length)
                {
                    throw new InvalidDataException("the character map points beyond its texts");
                }

                (length, place) = (i + 1, (int)value);
            }
        }

        return length > 0;

        static uint Children(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
    }
}

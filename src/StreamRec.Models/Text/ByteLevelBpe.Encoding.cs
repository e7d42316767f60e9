using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace StreamRec.Models.Text;

public sealed partial class ByteLevelBpe
{
    /// <summary>Whether a text is spelled as if a space came before it.</summary>
    internal static bool NeedsSpace(ReadOnlySpan<char> text, ByteLevelBpeSettings settings) => settings.PrefixSpace switch
    {
        PrefixSpace.Always => true,
        PrefixSpace.WhereMissing => text.Length > 0 && !IsStripped(text[0]),
        _ => false,
    };

    /// <summary>White space as the reference's language has it when it strips text: the separators U+001C to U+001F are white space there.</summary>
    private static bool IsStripped(char character) => char.IsWhiteSpace(character) || character is >= '\u001C' and <= '\u001F';

    private void EncodePrefixed(ReadOnlySpan<char> text, List<int> ids, List<TokenOffset>? offsets)
    {
        if (!NeedsSpace(text, Settings))
        {
            EncodeText(text, ids, offsets);
            return;
        }

        var first = offsets?.Count ?? 0;
        var buffer = ArrayPool<char>.Shared.Rent(text.Length + 1);
        buffer[0] = ' ';
        text.CopyTo(buffer.AsSpan(1));
        EncodeText(buffer.AsSpan(0, text.Length + 1), ids, offsets);
        ArrayPool<char>.Shared.Return(buffer);

        // The space is not in the caller's text.
        foreach (ref var offset in CollectionsMarshal.AsSpan(offsets)[first..])
        {
            offset = new TokenOffset(
                Math.Max(offset.Start - 1, 0), Math.Max(offset.End - 1, 0), Math.Max(offset.ByteStart - 1, 0), Math.Max(offset.ByteEnd - 1, 0));
        }
    }

    private void EncodeText(ReadOnlySpan<char> text, List<int> ids, List<TokenOffset>? offsets)
    {
        if (!_encoders.TryTake(out var encoder))
        {
            encoder = new Encoder(this);
        }

        var cursor = new OffsetCursor(text);
        for (var start = 0; start < text.Length;)
        {
            var (next, length, token) = (text.Length - start, 0, 0);
            if (Settings.ReadsTokensInText)
            {
                _textTokens.TryFind(text[start..], out next, out length, out token);
            }

            var plain = text.Slice(start, next);
            if (length > 0 && token == Special.Mask)
            {
                while (plain.Length > 0 && IsStripped(plain[^1]))
                {
                    plain = plain[..^1];
                }
            }

            var first = ids.Count;
            for (int word = 0, end; word < plain.Length; word = end)
            {
                end = WordScanner.EndOf(plain, word);
                ids.AddRange(encoder.IdsOf(plain[word..end]));
            }

            if (offsets is not null)
            {
                foreach (var id in CollectionsMarshal.AsSpan(ids)[first..])
                {
                    offsets.Add(cursor.Take(_tokens[id].Length));
                }
            }

            start += next;
            if (length > 0)
            {
                ids.Add(token);
                cursor.MoveTo(start);
                offsets?.Add(cursor.Take(_tokens[token].Length));
                start += length;
            }
        }

        _encoders.Add(encoder);
    }

    /// <summary>Spells a word in bytes and merges them.</summary>
    private sealed class Encoder : WordEncoder
    {
        private readonly int[] _idsOfBytes;
        private readonly PairMerger _merger;
        private readonly int[] _ids = new int[64];

        public Encoder(ByteLevelBpe owner) =>
            (_idsOfBytes, _merger) = (owner._idsOfBytes, new PairMerger(owner._merges, PairMerger.Order.Pairs));

        protected override ReadOnlySpan<int> Merge(ReadOnlySpan<char> word)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(word.Length));
            var length = Encoding.UTF8.GetBytes(word, buffer);
            var ids = length <= _ids.Length ? _ids : new int[length];
            for (var i = 0; i < length; i++)
            {
                ids[i] = _idsOfBytes[buffer[i]];
            }

            ArrayPool<byte>.Shared.Return(buffer);
            return ids.AsSpan(0, _merger.Merge(ids.AsSpan(0, length)));
        }
    }

    /// <summary>Walks a text in characters and bytes at once.</summary>
    private ref struct OffsetCursor
    {
        private readonly ReadOnlySpan<char> _text;
        private int _index;
        private int _byteOfIndex;
        private int _byte;

        public OffsetCursor(ReadOnlySpan<char> text) => _text = text;

        /// <summary>Where the next token of so many bytes stands.</summary>
        public TokenOffset Take(int bytes)
        {
            var byteStart = _byte;
            _byte += bytes;

            // A character that ends where the token starts is behind us; one that only starts before it is the token's too.
            while (_index < _text.Length && _byteOfIndex + Size(_index, out var units) is var next && next <= byteStart)
            {
                (_index, _byteOfIndex) = (_index + units, next);
            }

            var (end, byteOfEnd) = (_index, _byteOfIndex);
            while (byteOfEnd < _byte)
            {
                byteOfEnd += Size(end, out var units);
                end += units;
            }

            return new TokenOffset(_index, end, byteStart, _byte);
        }

        /// <summary>Skips to the character at an index.</summary>
        public void MoveTo(int index)
        {
            while (_index < index)
            {
                _byteOfIndex += Size(_index, out var units);
                _index += units;
            }

            _byte = _byteOfIndex;
        }

        /// <summary>Bytes and UTF-16 units of the character at an index.</summary>
        private readonly int Size(int index, out int units)
        {
            Rune.DecodeFromUtf16(_text[index..], out var rune, out units);
            return rune.Utf8SequenceLength;
        }
    }
}

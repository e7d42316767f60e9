using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace StreamRec.Models.Text;

/// <summary>SentencePiece's byte-pair encoding over characters, with bytes for what has no piece: what a LLaMA vocabulary is at heart.</summary>
/// <remarks>
/// No text is special here. Pieces are merged by score, best first; the pairs that make a piece are worked out once, so that merging looks up ids
/// and never text. Where no piece has a space after another character, which is so in every usual vocabulary, words merge each by itself and
/// come from a cache. Threading: as <see cref="ITokenizer"/>. Source: Kudo and Richardson 2018.
/// </remarks>
internal sealed class SentencePieceBpe
{
    /// <summary>What stands for a space in pieces.</summary>
    public const char Space = '\u2581';

    private readonly SentencePieceModel _model;
    private readonly Dictionary<Rune, int> _idsOfCharacters = [];
    private readonly List<Rune> _charactersWithoutPiece = [];
    private readonly int[] _idsOfBytes = new int[256];
    private readonly MergeTable _merges;
    private readonly bool _wordsApart;
    private readonly ConcurrentBag<Encoder> _encoders = [];

    /// <param name="model">As read from its file.</param>
    public SentencePieceBpe(SentencePieceModel model)
    {
        _model = model;
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < model.Pieces.Count; id++)
        {
            var (text, _, type) = model.Pieces[id];
            if (type == SentencePieceModel.PieceType.Normal)
            {
                ids.Add(text, id);
            }
            else if (type == SentencePieceModel.PieceType.Byte)
            {
                _idsOfBytes[int.Parse(text.AsSpan(3, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)] = id;
            }
        }

        // A character of a piece need not be a piece: then it has an id of its own behind all pieces, good for merging alone.
        foreach (var rune in ids.Keys.SelectMany(text => text.EnumerateRunes()))
        {
            if (ids.TryGetValue(rune.ToString(), out var id))
            {
                _idsOfCharacters[rune] = id;
            }
            else if (_idsOfCharacters.TryAdd(rune, Count + _charactersWithoutPiece.Count))
            {
                _charactersWithoutPiece.Add(rune);
            }
        }

        _merges = CreateMerges(ids);
        _wordsApart = !ids.Keys.Any(text => text.AsSpan().TrimStart(Space).Contains(Space));
    }

    /// <summary>Pieces.</summary>
    public int Count => _model.Pieces.Count;

    /// <summary>What the file says.</summary>
    public SentencePieceModel Model => _model;

    /// <summary>Appends the ids of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="ids">Where they go.</param>
    /// <param name="dummyPrefix">Whether it is spelled as if a space came before it.</param>
    public void Encode(ReadOnlySpan<char> text, List<int> ids, bool dummyPrefix)
    {
        var normal = Normalize(text, dummyPrefix).AsSpan();
        if (!_encoders.TryTake(out var encoder))
        {
            encoder = new Encoder(this);
        }

        var first = ids.Count;
        for (int start = 0, end; start < normal.Length; start = end)
        {
            end = _wordsApart ? WordEnd(normal, start) : normal.Length;
            var word = encoder.IdsOf(normal[start..end]);

            // Neighbours that cannot be spelled are one unknown piece, across words too.
            var joins = !_model.ByteFallback && ids.Count > first && ids[^1] == _model.Unknown && word[0] == _model.Unknown;
            ids.AddRange(joins ? word[1..] : word);
        }

        _encoders.Add(encoder);
    }

    /// <summary>The text of ids; control pieces have none.</summary>
    /// <param name="ids">In [0, <see cref="Count"/>).</param>
    /// <param name="dummyPrefix">Whether the space that the text was spelled with is left out again.</param>
    /// <param name="shortened">Whether the first piece goes without its first space.</param>
    public string Decode(ReadOnlySpan<int> ids, bool dummyPrefix, bool shortened = false)
    {
        var text = new StringBuilder();
        var bytes = new List<byte>();
        var (atStart, spaceTaken) = (dummyPrefix || _model.RemovesSpaces, false);
        for (var i = 0; i < ids.Length; i++)
        {
            var (piece, _, type) = _model.Pieces[ids[i]];
            if (type == SentencePieceModel.PieceType.Byte)
            {
                bytes.Add(byte.Parse(piece.AsSpan(3, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                continue;
            }

            AppendBytes(text, bytes);
            atStart &= !spaceTaken && text.Length == 0;
            spaceTaken = false;
            if (type == SentencePieceModel.PieceType.Control)
            {
                continue;
            }

            var rest = type == SentencePieceModel.PieceType.Unknown ? _model.UnknownSurface : piece.AsSpan(shortened && i == 0 && piece[0] == Space ? 1 : 0);
            if (atStart && rest is [Space, ..])
            {
                rest = rest[1..];
                spaceTaken = !_model.RemovesSpaces;
            }

            text.Append(rest).Replace(Space, ' ', text.Length - rest.Length, rest.Length);
        }

        AppendBytes(text, bytes);
        return text.ToString();
    }

    /// <summary>Bytes as text; each that is part of no character becomes U+FFFD by itself.</summary>
    private static void AppendBytes(StringBuilder text, List<byte> bytes)
    {
        for (var rest = (ReadOnlySpan<byte>)CollectionsMarshal.AsSpan(bytes); rest.Length > 0;)
        {
            var valid = Rune.DecodeFromUtf8(rest, out var rune, out var length) == System.Buffers.OperationStatus.Done;
            text.Append(rune);
            rest = rest[(valid ? length : 1)..];
        }

        bytes.Clear();
    }

    /// <summary>A word is its spaces and what follows up to the next.</summary>
    private static int WordEnd(ReadOnlySpan<char> text, int start)
    {
        var word = text[start..].IndexOfAnyExcept(Space);
        var length = word < 0 ? -1 : text[(start + word)..].IndexOf(Space);
        return length < 0 ? text.Length : start + word + length;
    }

    private MergeTable CreateMerges(Dictionary<string, int> ids)
    {
        var byText = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var pairs = new List<(int Left, int Right, int Merged)>();
        foreach (var (text, merged) in ids)
        {
            for (var cut = 1; cut < text.Length; cut++)
            {
                if (TryFind(text.AsSpan(0, cut), out var left) && TryFind(text.AsSpan(cut), out var right))
                {
                    pairs.Add((left, right, merged));
                }
            }
        }

        // Equal scores have equal ranks, so that the leftmost of their pairs merges first.
        var ranks = ids.Values.Select(id => _model.Pieces[id].Score).Distinct().OrderDescending().Index().ToDictionary(one => one.Item, one => one.Index);
        var merges = new MergeTable(pairs.Count);
        foreach (var (left, right, merged) in pairs)
        {
            merges.TryAdd(left, right, ranks[_model.Pieces[merged].Score], merged);
        }

        return merges;

        bool TryFind(ReadOnlySpan<char> text, out int id) =>
            byText.TryGetValue(text, out id)
            || (Rune.DecodeFromUtf16(text, out var rune, out var length) == System.Buffers.OperationStatus.Done
                && length == text.Length && _idsOfCharacters.TryGetValue(rune, out id));
    }

    private string Normalize(ReadOnlySpan<char> text, bool dummyPrefix)
    {
        var mapped = _model.Characters is { } characters ? characters.Map(text) : text;
        if (_model.RemovesSpaces)
        {
            mapped = mapped.TrimStart(' ');
        }

        if (text.IsEmpty || (_model.RemovesSpaces && mapped.IsEmpty))
        {
            return "";
        }

        var result = new StringBuilder(mapped.Length + 1);
        result.Append(dummyPrefix ? $"{Space}" : "");
        var afterSpace = false;
        foreach (var character in mapped)
        {
            if (character != ' ' || !afterSpace)
            {
                result.Append(character == ' ' ? Space : character);
            }

            afterSpace = _model.RemovesSpaces && character == ' ';
        }

        return _model.RemovesSpaces ? result.ToString().TrimEnd(Space) : result.ToString();
    }

    /// <summary>Spells a word in characters and merges them.</summary>
    private sealed class Encoder : WordEncoder
    {
        private readonly SentencePieceBpe _owner;
        private readonly PairMerger _merger;
        private readonly List<Rune> _unmentioned = [];
        private readonly List<int> _merged = [];
        private readonly List<int> _ids = [];

        public Encoder(SentencePieceBpe owner) => (_owner, _merger) = (owner, new PairMerger(owner._merges, PairMerger.Order.Places));

        protected override ReadOnlySpan<int> Merge(ReadOnlySpan<char> word)
        {
            _unmentioned.Clear();
            _merged.Clear();
            _ids.Clear();
            foreach (var rune in word.EnumerateRunes())
            {
                // A character that no piece mentions goes by a negative id, which merges with nothing.
                if (!_owner._idsOfCharacters.TryGetValue(rune, out var id))
                {
                    _unmentioned.Add(rune);
                    id = -_unmentioned.Count;
                }

                _merged.Add(id);
            }

            var merged = CollectionsMarshal.AsSpan(_merged);
            foreach (var id in merged[.._merger.Merge(merged)])
            {
                if (id >= 0 && id < _owner.Count)
                {
                    _ids.Add(id);
                }
                else
                {
                    AddUnspelled(id < 0 ? _unmentioned[-id - 1] : _owner._charactersWithoutPiece[id - _owner.Count]);
                }
            }

            return CollectionsMarshal.AsSpan(_ids);
        }

        private void AddUnspelled(Rune character)
        {
            if (!_owner._model.ByteFallback)
            {
                if (_ids.Count == 0 || _ids[^1] != _owner._model.Unknown)
                {
                    _ids.Add(_owner._model.Unknown);
                }

                return;
            }

            Span<byte> bytes = stackalloc byte[4];
            foreach (var b in bytes[..character.EncodeToUtf8(bytes)])
            {
                _ids.Add(_owner._idsOfBytes[b]);
            }
        }
    }
}

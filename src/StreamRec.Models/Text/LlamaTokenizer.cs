using System.Buffers;
using System.Text;

namespace StreamRec.Models.Text;

/// <summary>How a LLaMA vocabulary is used; its file does not say.</summary>
public sealed record LlamaTokenizerSettings
{
    /// <summary>
    /// Whether a space is put before every stretch of text between special tokens, as older checkpoints were trained with, rather than before the
    /// whole text alone.
    /// </summary>
    public bool Legacy { get; init; }

    /// <summary>Whether a sequence begins with <c>&lt;s&gt;</c>.</summary>
    public bool AddsBegin { get; init; } = true;

    /// <summary>Whether a sequence ends with <c>&lt;/s&gt;</c>.</summary>
    public bool AddsEnd { get; init; }

    /// <summary>Whether a special or added token that is spelled out in a text becomes its id; off for text of strangers.</summary>
    public bool ReadsTokensInText { get; init; } = true;
}

/// <summary>LLaMA's tokenizer: a SentencePiece vocabulary with special tokens.</summary>
/// <remarks>
/// Ids and texts are those of the reference's plain implementation (Hugging Face transformers 4.36, LlamaTokenizer), legacy or not, its
/// treatment of special and added tokens included. Threading: any thread. Source: Touvron et al. 2023; <see cref="SentencePieceBpe"/>.
/// </remarks>
public sealed class LlamaTokenizer : ITokenizer
{
    /// <summary>The vocabulary's file in a checkpoint.</summary>
    internal const string ModelFile = "tokenizer.model";

    private readonly SentencePieceBpe _bpe;
    private readonly IReadOnlyList<string> _added;
    private readonly TextTokens _textTokens;

    private LlamaTokenizer(SentencePieceBpe bpe, LlamaTokenizerSettings settings, IReadOnlyList<string> added)
    {
        (_bpe, Settings, _added) = (bpe, settings, added);
        var model = bpe.Model;
        Special = new SpecialIds(IdOrNull(model.Begin), IdOrNull(model.End), IdOrNull(model.Padding), model.Unknown, Mask: null);
        var special = new[] { Special.Begin, Special.End, Special.Padding, Special.Unknown }.OfType<int>().Distinct();
        _textTokens = new TextTokens(special.Select(id => KeyValuePair.Create(model.Pieces[id].Text, id))
            .Concat(added.Select((token, i) => KeyValuePair.Create(token, bpe.Count + i))));

        static int? IdOrNull(int id) => id < 0 ? null : id;
    }

    /// <summary>What the file does not say.</summary>
    public LlamaTokenizerSettings Settings { get; }

    /// <inheritdoc />
    public int VocabularySize => _bpe.Count + _added.Count;

    /// <inheritdoc />
    public SpecialIds Special { get; }

    /// <summary>Reads <c>tokenizer.model</c>.</summary>
    /// <exception cref="InvalidDataException">It is no vocabulary of LLaMA's kind; the message names file, place and what to do.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static LlamaTokenizer Load(string directory, LlamaTokenizerSettings settings)
    {
        var path = Path.Combine(directory, ModelFile);
        var model = SentencePieceModel.Read(path);
        if (model.RemovesSpaces || !model.DummyPrefix || (settings.AddsBegin && model.Begin < 0) || (settings.AddsEnd && model.End < 0))
        {
            throw new InvalidDataException(
                $"{path}: a LLaMA vocabulary keeps all spaces, puts one before a text, and has the tokens that begin and end a sequence; take a tokenizer.model of LLaMA's, or settings that add neither.");
        }

        return new LlamaTokenizer(new SentencePieceBpe(model), settings, []);
    }

    /// <summary>The same tokenizer with further tokens that are never taken apart, as for items; their ids follow on the vocabulary's.</summary>
    /// <exception cref="ArgumentException">A token is empty or there already.</exception>
    public LlamaTokenizer WithAddedTokens(params IEnumerable<string> tokens) =>
        new(_bpe, Settings, [.. _added, .. _textTokens.CheckNew(tokens)]);

    /// <summary>The id of a special or added token.</summary>
    /// <exception cref="ArgumentException">It is neither.</exception>
    public int IdOf(string token) => _textTokens.IdOf(token);

    /// <inheritdoc />
    public void Encode(ReadOnlySpan<char> text, List<int> ids)
    {
        if (Settings.Legacy || text.IsEmpty)
        {
            EncodeParts(text, ids, hasPrefix: false);
            return;
        }

        var buffer = ArrayPool<char>.Shared.Rent(text.Length + 1);
        buffer[0] = SentencePieceBpe.Space;
        text.Replace(buffer.AsSpan(1), SentencePieceBpe.Space, ' ');
        EncodeParts(buffer.AsSpan(0, text.Length + 1), ids, hasPrefix: true);
        ArrayPool<char>.Shared.Return(buffer);
    }

    /// <inheritdoc />
    public int[] EncodeSequence(ReadOnlySpan<char> text, int maxLength = int.MaxValue)
    {
        var marks = (Settings.AddsBegin ? 1 : 0) + (Settings.AddsEnd ? 1 : 0);
        if (maxLength < marks)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxLength), $"maxLength is {maxLength}; what begins and ends a sequence alone needs {marks}.");
        }

        var ids = new List<int>();
        AppendSequence(text, ids, maxLength - marks);
        return [.. ids];
    }

    /// <inheritdoc />
    public int[] EncodePair(ReadOnlySpan<char> first, ReadOnlySpan<char> second)
    {
        var ids = new List<int>();
        AppendSequence(first, ids, int.MaxValue);
        AppendSequence(second, ids, int.MaxValue);
        return [.. ids];
    }

    /// <inheritdoc />
    /// <remarks>As in the reference, an added token has a space on either side of it.</remarks>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        var parts = new List<string>();
        var part = new List<int>();
        foreach (var id in ids)
        {
            if ((uint)id >= (uint)VocabularySize)
            {
                throw new ArgumentOutOfRangeException(nameof(ids), $"An id is {id}; the ids of this vocabulary are in [0, {VocabularySize}).");
            }

            if (id >= _bpe.Count)
            {
                AddPart(parts, part, isLast: false);
                parts.Add(_added[id - _bpe.Count]);
            }
            else if (!skipSpecial || !Special.Contains(id))
            {
                part.Add(id);
            }
        }

        AddPart(parts, part, isLast: true);
        return string.Join(' ', parts);
    }

    private void AppendSequence(ReadOnlySpan<char> text, List<int> ids, int maxLength)
    {
        if (Settings.AddsBegin)
        {
            ids.Add(Special.Begin!.Value);
        }

        var first = ids.Count;
        Encode(text, ids);
        if (ids.Count - first > maxLength)
        {
            ids.RemoveRange(first + maxLength, ids.Count - first - maxLength);
        }

        if (Settings.AddsEnd)
        {
            ids.Add(Special.End!.Value);
        }
    }

    private void EncodeParts(ReadOnlySpan<char> text, List<int> ids, bool hasPrefix)
    {
        for (var start = 0; start < text.Length;)
        {
            var (next, length, token) = (text.Length - start, 0, 0);
            if (Settings.ReadsTokensInText)
            {
                _textTokens.TryFind(text[start..], out next, out length, out token);
            }

            // Before a special token at the very start the space is left out; before an added one it is not.
            var isBarePrefix = hasPrefix && start == 0 && next == 1 && length > 0 && Special.Contains(token);
            if (!isBarePrefix)
            {
                _bpe.Encode(text.Slice(start, next), ids, dummyPrefix: Settings.Legacy);
            }

            start += next + length;
            if (length > 0)
            {
                ids.Add(token);
            }
        }
    }

    /// <summary>Adds the text of ids between added tokens; where it is empty it is left out, unless it is the last.</summary>
    private void AddPart(List<string> parts, List<int> ids, bool isLast)
    {
        if (ids.Count == 0)
        {
            return;
        }

        var text = new StringBuilder();
        var start = 0;
        for (var i = 0; i < ids.Count; i++)
        {
            if (Special.Contains(ids[i]))
            {
                text.Append(Settings.Legacy && i > 0 && !Special.Contains(ids[i - 1]) ? " " : "");
                text.Append(Plain(start, i)).Append(_bpe.Model.Pieces[ids[i]].Text);
                start = i + 1;
            }
        }

        text.Append(Plain(start, ids.Count));
        if (text.Length > 0 || isLast)
        {
            parts.Add(text.ToString());
        }

        ids.Clear();

        string Plain(int from, int to) => _bpe.Decode([.. ids[from..to]], dummyPrefix: Settings.Legacy, shortened: from == 0);
    }
}

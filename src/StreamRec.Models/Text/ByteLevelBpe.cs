using System.Buffers;
using System.Collections.Concurrent;
using System.Text;

namespace StreamRec.Models.Text;

/// <summary>Byte-level byte-pair encoding, the tokenizer of GPT-2 and BART: every text has a spelling, and decoding gives the text back.</summary>
/// <remarks>
/// Ids and texts are those of the reference's plain implementation, its treatment of special and added tokens included (Hugging Face transformers
/// 4.36, GPT2Tokenizer and BartTokenizer), except that a surrogate without its partner is read as U+FFFD.
/// Threading: immutable but for buffers and word caches, of which each encoding under way has its own; about 1 MiB for each that was ever needed.
/// Sources: Radford et al. 2019 (bytes), Sennrich et al. 2016 (merges), Lewis et al. 2020 (special tokens).
/// </remarks>
public sealed partial class ByteLevelBpe : ITokenizer
{
    private readonly TokenBytes _tokens;
    private readonly IReadOnlyList<(int Left, int Right, int Merged)> _pairs;
    private readonly MergeTable _merges;
    private readonly int[] _idsOfBytes;
    private readonly int _baseSize;
    private readonly IReadOnlyList<string> _added;
    private readonly TextTokens _textTokens;
    private readonly ConcurrentBag<Encoder> _encoders = [];

    /// <param name="tokens">Of the vocabulary, without added ones; every single byte and every special token is among them.</param>
    /// <param name="pairs">What merges into what, lowest rank first.</param>
    /// <param name="specialIds">Ids of the special tokens.</param>
    /// <param name="settings">What the files do not say.</param>
    /// <exception cref="ArgumentException">The settings wrap sequences in tokens that they do not name, or a pair is there twice.</exception>
    internal ByteLevelBpe(
        TokenBytes tokens,
        IReadOnlyList<(int Left, int Right, int Merged)> pairs,
        IReadOnlyDictionary<string, int> specialIds,
        ByteLevelBpeSettings settings)
        : this(tokens, pairs, CreateMerges(pairs), specialIds, settings, [])
    {
    }

    private ByteLevelBpe(
        TokenBytes tokens,
        IReadOnlyList<(int Left, int Right, int Merged)> pairs,
        MergeTable merges,
        IReadOnlyDictionary<string, int> specialIds,
        ByteLevelBpeSettings settings,
        IReadOnlyList<string> added)
    {
        if (settings.Wraps && (settings.Begin is null || settings.End is null))
        {
            throw new ArgumentException(
                $"Sequences are to be wrapped, but Begin is '{settings.Begin}' and End is '{settings.End}'; name both tokens.", nameof(settings));
        }

        (_tokens, _pairs, _merges, _added, Settings) = (tokens, pairs, merges, added, settings);
        _baseSize = tokens.Count - added.Count;
        Special = new SpecialIds(
            Of(settings.Begin), Of(settings.End), Of(settings.Padding), Of(settings.Unknown), Of(settings.Mask));
        _textTokens = new TextTokens(specialIds.Concat(added.Select((token, i) => KeyValuePair.Create(token, _baseSize + i))));
        _idsOfBytes = new int[256];
        for (var id = 0; id < _baseSize; id++)
        {
            if (tokens[id].Length == 1 && !specialIds.Values.Contains(id))
            {
                _idsOfBytes[tokens[id][0]] = id;
            }
        }

        int? Of(string? token) => token is null ? null : specialIds[token];
    }

    /// <summary>What the files do not say.</summary>
    public ByteLevelBpeSettings Settings { get; }

    /// <inheritdoc />
    public int VocabularySize => _tokens.Count;

    /// <inheritdoc />
    public SpecialIds Special { get; }

    /// <summary>The same tokenizer with further tokens that are never taken apart, as for items; their ids follow on the vocabulary's.</summary>
    /// <exception cref="ArgumentException">A token is empty or there already.</exception>
    public ByteLevelBpe WithAddedTokens(params IEnumerable<string> tokens)
    {
        var bytes = new TokenBytes();
        for (var id = 0; id < _tokens.Count; id++)
        {
            bytes.Add(_tokens[id]);
        }

        var added = _textTokens.CheckNew(tokens);
        foreach (var token in added)
        {
            bytes.Add(Encoding.UTF8.GetBytes(token));
        }

        var special = _textTokens.Ids.Where(one => one.Value < _baseSize).ToDictionary(StringComparer.Ordinal);
        return new ByteLevelBpe(bytes, _pairs, _merges, special, Settings, [.. _added, .. added]);
    }

    /// <summary>The id of a special or added token.</summary>
    /// <exception cref="ArgumentException">It is neither.</exception>
    public int IdOf(string token) => _textTokens.IdOf(token);

    /// <summary>The bytes that a token stands for: its UTF-8 where it is special or added.</summary>
    internal ReadOnlySpan<byte> BytesOf(int id) => _tokens[id];

    /// <inheritdoc />
    public void Encode(ReadOnlySpan<char> text, List<int> ids) => EncodePrefixed(text, ids, null);

    /// <summary>Appends the ids of a text and where each stands in it.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> ids, List<TokenOffset> offsets) => EncodePrefixed(text, ids, offsets);

    /// <inheritdoc />
    public int[] EncodeSequence(ReadOnlySpan<char> text, int maxLength = int.MaxValue)
    {
        var marks = Settings.Wraps ? 2 : 0;
        if (maxLength < marks)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxLength), $"maxLength is {maxLength}; what begins and ends a sequence alone needs {marks}.");
        }

        var ids = new List<int>();
        AppendBegin(ids);
        Encode(text, ids);
        if (ids.Count > maxLength - (marks / 2))
        {
            ids.RemoveRange(maxLength - (marks / 2), ids.Count - maxLength + (marks / 2));
        }

        AppendEnd(ids);
        return [.. ids];
    }

    /// <inheritdoc />
    public int[] EncodePair(ReadOnlySpan<char> first, ReadOnlySpan<char> second)
    {
        var ids = new List<int>();
        AppendBegin(ids);
        Encode(first, ids);
        AppendEnd(ids);
        AppendEnd(ids);
        Encode(second, ids);
        AppendEnd(ids);
        return [.. ids];
    }

    /// <inheritdoc />
    /// <remarks>As in the reference, an added token has a space on either side of it, and none at the ends of the text.</remarks>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        var text = new StringBuilder();
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
        {
            if ((uint)id >= (uint)_tokens.Count)
            {
                throw new ArgumentOutOfRangeException(nameof(ids), $"An id is {id}; the ids of this vocabulary are in [0, {_tokens.Count}).");
            }

            if (id >= _baseSize)
            {
                AppendPart(text, bytes);
                bytes.Write(_tokens[id]);
                AppendPart(text, bytes);
            }
            else if (!skipSpecial || !Special.Contains(id))
            {
                bytes.Write(_tokens[id]);
            }
        }

        AppendPart(text, bytes);
        return text.ToString();
    }

    private static void AppendPart(StringBuilder text, ArrayBufferWriter<byte> bytes)
    {
        if (bytes.WrittenCount > 0)
        {
            text.Append(text.Length > 0 ? " " : "").Append(Encoding.UTF8.GetString(bytes.WrittenSpan));
            bytes.ResetWrittenCount();
        }
    }

    private static MergeTable CreateMerges(IReadOnlyList<(int Left, int Right, int Merged)> pairs)
    {
        var merges = new MergeTable(pairs.Count);
        for (var rank = 0; rank < pairs.Count; rank++)
        {
            if (!merges.TryAdd(pairs[rank].Left, pairs[rank].Right, rank, pairs[rank].Merged))
            {
                throw new ArgumentException($"Pair {rank}, of tokens {pairs[rank].Left} and {pairs[rank].Right}, is there twice.", nameof(pairs));
            }
        }

        return merges;
    }

    private void AppendBegin(List<int> ids)
    {
        if (Settings.Wraps)
        {
            ids.Add(Special.Begin!.Value);
        }
    }

    private void AppendEnd(List<int> ids)
    {
        if (Settings.Wraps)
        {
            ids.Add(Special.End!.Value);
        }
    }
}

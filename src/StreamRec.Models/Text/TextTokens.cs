using System.Buffers;

namespace StreamRec.Models.Text;

/// <summary>Finds special and added tokens that are spelled out in a text: the leftmost, and of several that start there the longest.</summary>
internal sealed class TextTokens
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _byText;
    private readonly SearchValues<string> _any;
    private readonly int[] _lengths;

    /// <param name="tokens">Texts and ids; none is empty.</param>
    public TextTokens(IEnumerable<KeyValuePair<string, int>> tokens)
    {
        _ids = new Dictionary<string, int>(tokens, StringComparer.Ordinal);
        _byText = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _any = SearchValues.Create([.. _ids.Keys], StringComparison.Ordinal);
        _lengths = [.. _ids.Keys.Select(token => token.Length).Distinct().OrderDescending()];
    }

    /// <summary>Texts and ids.</summary>
    public IReadOnlyDictionary<string, int> Ids => _ids;

    /// <summary>The id of a token.</summary>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public int IdOf(string token) => _ids.TryGetValue(token, out var id)
        ? id
        : throw new ArgumentException($"'{token}' is neither a special nor an added token of this vocabulary.", nameof(token));

    /// <summary>Gives tokens back that may be added.</summary>
    /// <exception cref="ArgumentException">One is empty or there already.</exception>
    public List<string> CheckNew(IEnumerable<string> tokens)
    {
        var result = new List<string>();
        var known = new HashSet<string>(_ids.Keys, StringComparer.Ordinal);
        foreach (var token in tokens)
        {
            if (token.Length == 0 || !known.Add(token))
            {
                throw new ArgumentException(
                    token.Length == 0 ? "An added token is empty; it needs a text to be found by." : $"'{token}' is a token already; add each once.",
                    nameof(tokens));
            }

            result.Add(token);
        }

        return result;
    }

    /// <summary>Finds the next token.</summary>
    /// <param name="text">Where to look.</param>
    /// <param name="start">Where it starts, or the length of the text.</param>
    /// <param name="length">Its length, or 0.</param>
    /// <param name="id">Its id.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryFind(ReadOnlySpan<char> text, out int start, out int length, out int id)
    {
        (start, length, id) = (text.IndexOfAny(_any), 0, 0);
        if (start < 0)
        {
            start = text.Length;
            return false;
        }

        foreach (var candidate in _lengths)
        {
            if (candidate <= text.Length - start && _byText.TryGetValue(text.Slice(start, candidate), out id))
            {
                length = candidate;
                break;
            }
        }

        return true;
    }
}

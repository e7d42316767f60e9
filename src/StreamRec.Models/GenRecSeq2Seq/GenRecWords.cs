using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using StreamRec.Models.Text;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>The words of a model's texts: the tokens of each item and user.</summary>
/// <remarks>
/// An item's number is its row. In a vocabulary of one's own it is two tokens: number / base, number mod base. The base never changes and new
/// items get the next rows, so a child of a checkpoint has its parent's tokens and at most further first tokens at the end of the vocabulary.
/// Rows are dealt out in the order of a hash (see <see cref="HashOf"/>): in the order of arrival neighbours would tell what a user takes next.
/// A user's two tokens come of the same hash and not of a row, because users go and their rows with them; two users may share them, their
/// whole-word ids tell them apart. With a backbone's vocabulary numbers are spelled, as <c>item_12</c>.
/// Threading: immutable.
/// </remarks>
internal sealed partial class GenRecWords
{
    /// <summary>Tokens that every vocabulary has: special ones and bytes.</summary>
    public const int LeastVocabulary = 5 + 256;

    // As many users as a spelled number tells apart.
    private const int SpelledUsers = 1_000_000;

    private readonly GenRecTextOptions _text;
    private readonly ByteLevelBpe _tokenizer;
    private readonly string[] _titles;
    private readonly int[][] _read;
    private readonly int[][] _written;

    /// <param name="tokenizer">With the tokens of numbers, where the text has bases.</param>
    /// <param name="text">With bases where numbers are tokens of their own.</param>
    /// <param name="titles">For each item what it is called; null where texts hold numbers only.</param>
    /// <param name="items">Items.</param>
    private GenRecWords(ByteLevelBpe tokenizer, GenRecTextOptions text, string[] titles, int items)
    {
        (_tokenizer, _text, _titles) = (tokenizer, text, titles);
        (_read, _written) = (new int[items + 1][], new int[items + 1][]);
        _read[0] = _written[0] = [];
        int[] lows = text.ItemBase is { } of ? [.. Enumerable.Range(0, of).Select(i => tokenizer.IdOf(ItemSecond(i)))] : [];
        int[] highs = lows.Length == 0 ? [] : [.. Enumerable.Range(0, Firsts(items, lows.Length)).Select(i => tokenizer.IdOf(ItemFirst(i)))];
        for (var row = 1; row <= items; row++)
        {
            var number = text.Items == GenRecItemText.Titles ? []
                : lows.Length == 0 ? Spell(string.Create(CultureInfo.InvariantCulture, $"item_{row}"))
                : [highs[(row - 1) / lows.Length], lows[(row - 1) % lows.Length]];
            int[] title = text.Items == GenRecItemText.ItemNumbers ? [] : [.. Spell(titles[row - 1]).Take(text.TitleTokens)];
            _read[row] = [.. number, .. title];
            _written[row] = number.Length > 0 ? number : title;
        }
    }

    /// <summary>The settings, with the bases that were chosen.</summary>
    public GenRecTextOptions Options => _text;

    /// <summary>Tokens.</summary>
    public int Vocabulary => _tokenizer.VocabularySize;

    /// <summary>Items.</summary>
    public int Items => _read.Length - 1;

    public int Begin => _tokenizer.Special.Begin!.Value;

    public int End => _tokenizer.Special.End!.Value;

    public int Pad => _tokenizer.Special.Padding!.Value;

    public int Mask => _tokenizer.Special.Mask!.Value;

    /// <summary>The longest word of an item that is read, in tokens; at least what the settings allow.</summary>
    public int LongestItem => _text switch
    {
        { Items: GenRecItemText.Titles } => _text.TitleTokens,
        { ItemBase: null } => _read.Max(word => word.Length),
        { Items: GenRecItemText.Both } => 2 + _text.TitleTokens,
        _ => 2,
    };

    /// <summary>The longest text that is written, its end included.</summary>
    public int LongestWritten => _written.Max(word => word.Length) + 1;

    /// <summary>The tokens by which an item is read; none for row 0.</summary>
    public int[] Read(int row) => _read[row];

    /// <summary>The tokens that stand for an item when it is written, without end.</summary>
    public int[] Written(int row) => _written[row];

    /// <summary>For each item what <see cref="Written"/> says.</summary>
    public IReadOnlyList<int[]> AllWritten => _written[1..];

    /// <summary>The tokens of a user's word; none where texts have no such word.</summary>
    public int[] User(string userId)
    {
        if (!_text.User)
        {
            return [];
        }

        var hash = HashOf(userId);
        return _text.UserBase is { } of
            ? [_tokenizer.IdOf(UserFirst((int)(hash / (ulong)of % (ulong)of))), _tokenizer.IdOf(UserSecond((int)(hash % (ulong)of)))]
            : Spell(string.Create(CultureInfo.InvariantCulture, $"user_{hash % SpelledUsers}"));
    }

    /// <summary>For people: the text of tokens.</summary>
    public string Decode(ReadOnlySpan<int> tokens) => _tokenizer.Decode(tokens);

    /// <summary>A number that depends on the id alone, the same on every machine.</summary>
    public static ulong HashOf(string id) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(id)));

    private int[] Spell(string text)
    {
        var ids = new List<int>();
        _tokenizer.Encode(text, ids);
        return [.. ids];
    }

    // First tokens that so many items need.
    private static int Firsts(int items, int itemBase) => Math.Max(1, (items + itemBase - 1) / itemBase);

    private static string ItemFirst(int i) => string.Create(CultureInfo.InvariantCulture, $"<item:{i}_>");

    private static string ItemSecond(int i) => string.Create(CultureInfo.InvariantCulture, $"<item:_{i}>");

    private static string UserFirst(int i) => string.Create(CultureInfo.InvariantCulture, $"<user:{i}_>");

    private static string UserSecond(int i) => string.Create(CultureInfo.InvariantCulture, $"<user:_{i}>");
}

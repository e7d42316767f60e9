using StreamRec.Domain;
using StreamRec.Models.Text;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>How words come to be: from a catalogue, from a parent, from files.</summary>
internal sealed partial class GenRecWords
{
    /// <summary>The tokenizer's directory in a checkpoint.</summary>
    public const string Folder = "tokenizer";

    // What each item is called, a line for each in the order of rows.
    private const string TitlesFile = "titles.txt";

    // Titles are what strangers wrote: a token that is spelled out in one stays text.
    private static readonly ByteLevelBpeSettings Settings =
        ByteLevelBpeSettings.Bart with { PrefixSpace = PrefixSpace.Always, ReadsTokensInText = false };

    private bool HasTitles => _text.Items != GenRecItemText.ItemNumbers;

    /// <summary>Words in a vocabulary of one's own, whose tokens are learnt from the titles.</summary>
    /// <param name="text">Settings; bases that it does not give are chosen.</param>
    /// <param name="items">In the order of rows.</param>
    /// <param name="users">How many users there are.</param>
    public static GenRecWords Make(GenRecTextOptions text, IReadOnlyList<Item> items, int users)
    {
        text = text with
        {
            ItemBase = text.Items == GenRecItemText.Titles ? null : text.ItemBase ?? Root(items.Count),
            UserBase = text.User ? text.UserBase ?? Root(users) : null,
        };
        var titles = TitlesOf(text, items);
        var tokenizer = ByteLevelBpeTrainer.Train(titles, titles.Length == 0 ? LeastVocabulary : text.Vocabulary, Settings);
        var user = Enumerable.Range(0, text.UserBase ?? 0);
        var item = Enumerable.Range(0, text.ItemBase ?? 0);
        tokenizer = tokenizer.WithAddedTokens([.. user.Select(UserFirst), .. user.Select(UserSecond), .. item.Select(ItemSecond)]);
        return new GenRecWords(WithFirsts(tokenizer, text, 0, items.Count), text, titles, items.Count);
    }

    /// <summary>Words spelled in the vocabulary of a Hugging Face directory.</summary>
    /// <exception cref="InvalidDataException">It has none that fits; the message says why.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static GenRecWords Spelled(string directory, GenRecTextOptions text, IReadOnlyList<Item> items) =>
        new(ByteLevelBpe.Load(directory, Settings), text, TitlesOf(text, items), items.Count);

    /// <summary>Reads the words of a checkpoint.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="text">From its manifest.</param>
    /// <param name="items">Items that it has.</param>
    /// <exception cref="InvalidDataException">The files are no vocabulary, or of another number of items.</exception>
    /// <exception cref="ArgumentException">The vocabulary lacks a number's token.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    public static GenRecWords Load(string directory, GenRecTextOptions text, int items)
    {
        directory = Path.Combine(directory, Folder);
        var titles = text.Items == GenRecItemText.ItemNumbers ? [] : File.ReadAllLines(Path.Combine(directory, TitlesFile));
        if (titles.Length > 0 && titles.Length != items)
        {
            throw new InvalidDataException($"{TitlesFile} has {titles.Length} lines for {items} items");
        }

        return new GenRecWords(ByteLevelBpe.Load(directory, Settings), text, titles, items);
    }

    /// <summary>The same words, and those of further items.</summary>
    /// <param name="items">All items in the order of rows; those that were there keep their words, whatever their titles have become.</param>
    public GenRecWords Grow(IReadOnlyList<Item> items) => new(
        WithFirsts(_tokenizer, _text, Items, items.Count), _text, HasTitles ? [.. _titles, .. TitlesOf(_text, [.. items.Skip(Items)])] : [], items.Count);

    /// <summary>Writes what <see cref="Load"/> reads and returns the names of the files, relative to the checkpoint's directory.</summary>
    public IReadOnlyList<string> Save(string directory)
    {
        var folder = Path.Combine(directory, Folder);
        _tokenizer.Save(folder);
        if (HasTitles)
        {
            File.WriteAllLines(Path.Combine(folder, TitlesFile), _titles);
        }

        return [.. Directory.EnumerateFiles(folder).Select(path => $"{Folder}/{Path.GetFileName(path)}").Order(StringComparer.Ordinal)];
    }

    private static ByteLevelBpe WithFirsts(ByteLevelBpe tokenizer, GenRecTextOptions text, int before, int items)
    {
        if (text.ItemBase is not { } itemBase)
        {
            return tokenizer;
        }

        var had = before == 0 ? 0 : Firsts(before, itemBase);
        return tokenizer.WithAddedTokens(Enumerable.Range(had, Firsts(items, itemBase) - had).Select(ItemFirst));
    }

    private static int Root(int count) => Math.Max(2, (int)Math.Ceiling(Math.Sqrt(count)));

    private static string[] TitlesOf(GenRecTextOptions text, IEnumerable<Item> items) =>
        text.Items == GenRecItemText.ItemNumbers ? [] : [.. items.Select(item => OneLine(item.Title) is { Length: > 0 } title ? title : item.Id)];

    // What a line of a file can hold, and what a tokenizer reads of it again.
    private static string OneLine(string? title)
    {
        var visible = new string([.. (title ?? "").Select(c => char.IsControl(c) || char.IsWhiteSpace(c) ? ' ' : c)]);
        return string.Join(' ', visible.Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }
}

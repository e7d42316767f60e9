namespace StreamRec.Models.Text;

/// <summary>Cuts text into the words within which byte-level BPE merges, by GPT-2's pattern.</summary>
/// <remarks>
/// The pattern is <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>: a space belongs to the word after it, and
/// white space before a word keeps its last character back for that word. Source: Radford et al. 2019, the published encoder's pattern.
/// </remarks>
internal static class WordScanner
{
    /// <summary>Where the word that starts at a place ends.</summary>
    /// <param name="text">The text; a word is never looked for beyond it.</param>
    /// <param name="start">Start of a word, before the end of the text.</param>
    public static int EndOf(ReadOnlySpan<char> text, int start)
    {
        if (text[start] == '\'' && ContractionAt(text[(start + 1)..]) is > 0 and var length)
        {
            return start + 1 + length;
        }

        var first = start;
        if (text[start] == ' ' && start + 1 < text.Length && CharacterClasses.Of(text[start + 1]) != CharacterClass.WhiteSpace)
        {
            first++;
        }

        var kind = CharacterClasses.At(text, first, out var size);
        var end = first + size;
        while (end < text.Length && CharacterClasses.At(text, end, out size) == kind)
        {
            end += size;
        }

        // A single white space before a word stays a word of its own, and so does what is left of several.
        return kind == CharacterClass.WhiteSpace && end < text.Length && end > first + 1 ? end - 1 : end;
    }

    /// <summary>Letters of the English contraction that a text starts with, apostrophe left out; 0 where it starts with none.</summary>
    private static int ContractionAt(ReadOnlySpan<char> text) => text switch
    {
        ['s' or 't' or 'm' or 'd', ..] => 1,
        ['r' or 'v', 'e', ..] or ['l', 'l', ..] => 2,
        _ => 0,
    };
}

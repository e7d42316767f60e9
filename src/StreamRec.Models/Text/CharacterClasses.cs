using System.Globalization;

namespace StreamRec.Models.Text;

/// <summary>What byte-level BPE tells apart before it merges.</summary>
internal enum CharacterClass : byte
{
    Other,
    Letter,
    Number,
    WhiteSpace,
}

/// <summary>Character classes of Unicode 15.0: letters are general category L, numbers N, white space the property White_Space.</summary>
/// <remarks>
/// The runtime's tables are of a newer Unicode. What became a letter or a number after 15.0 stays Other here: a text has to give the same ids
/// whatever runtime a model is trained and served on, and those of the tools that made the published vocabularies.
/// </remarks>
internal static class CharacterClasses
{
    /// <summary>First and last code point of each stretch that was not assigned in Unicode 15.0 and has letters or numbers since.</summary>
    private static readonly (int First, int Last)[] Newer =
    [
        (0x1C89, 0x1C8A), (0xA7CB, 0xA7CD), (0xA7DA, 0xA7DC), (0x105C0, 0x105F3), (0x10D40, 0x10D65), (0x10D6F, 0x10D85),
        (0x10EC2, 0x10EC4), (0x11380, 0x113D3), (0x116D0, 0x116E3), (0x11BC0, 0x11BF9), (0x13460, 0x143FA), (0x16100, 0x16139),
        (0x16D40, 0x16D79), (0x18CFF, 0x18CFF), (0x1CCF0, 0x1CCF9), (0x1E5D0, 0x1E5FA), (0x2EBF0, 0x2EE5D),
    ];

    private static readonly CharacterClass[] BasicPlane = [.. Enumerable.Range(0, char.MaxValue + 1).Select(Classify)];

    /// <summary>The class of a character; a surrogate is Other.</summary>
    public static CharacterClass Of(char character) => BasicPlane[character];

    /// <summary>The class of the character at a place, which may be two UTF-16 units long.</summary>
    /// <param name="text">UTF-16.</param>
    /// <param name="index">A place in it.</param>
    /// <param name="length">1, or 2 for a surrogate pair; a surrogate without its partner is one character.</param>
    public static CharacterClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        length = 1;
        var character = text[index];
        if (!char.IsHighSurrogate(character) || index + 1 == text.Length || !char.IsLowSurrogate(text[index + 1]))
        {
            return BasicPlane[character];
        }

        length = 2;
        return Classify(char.ConvertToUtf32(character, text[index + 1]));
    }

    private static CharacterClass Classify(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
    {
        <= UnicodeCategory.OtherLetter => IsNewer(codePoint) ? CharacterClass.Other : CharacterClass.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber =>
            IsNewer(codePoint) ? CharacterClass.Other : CharacterClass.Number,
        _ => codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint) ? CharacterClass.WhiteSpace : CharacterClass.Other,
    };

    private static bool IsNewer(int codePoint)
    {
        foreach (var (first, last) in Newer)
        {
            if (codePoint >= first && codePoint <= last)
            {
                return true;
            }
        }

        return false;
    }
}

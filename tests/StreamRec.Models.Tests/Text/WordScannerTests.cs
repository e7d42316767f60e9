using System.Text.RegularExpressions;
using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class WordScannerTests
{
    private const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    [Theory]
    [InlineData("Hello world", "Hello| world")]
    [InlineData("it's  they'll", "it|'s| | they|'ll")]
    [InlineData("'single' 'double", "'s|ingle|'| '|double")]
    [InlineData("a \t b", "a| \t| b")]
    [InlineData("a\tb", "a|\t|b")]
    [InlineData("end  ", "end|  ")]
    [InlineData("R2D2", "R|2|D|2")]
    [InlineData(" 𠮷野 😀😁!", " 𠮷野| 😀😁!")]
    public void Text_is_cut_as_the_pattern_says(string text, string words) => Assert.Equal(words.Split('|'), Words(text));

    [Fact]
    public void Random_text_is_cut_like_by_a_regular_expression()
    {
        // Characters of the basic plane, where the runtime's regular expressions know whole characters too.
        const string Alphabet = "  \t\n\u00A0\u3000aZé漢ß09½Ⅷ'''-.!&\u0301\u200Bstrevmld";
        var random = new Random(11);
        for (var run = 0; run < 3_000; run++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(1, 24)).Select(_ => Alphabet[random.Next(Alphabet.Length)])]);
            Assert.Equal(Regex.Matches(text, Pattern, RegexOptions.CultureInvariant).Select(match => match.Value), Words(text));
        }
    }

    private static List<string> Words(string text)
    {
        var words = new List<string>();
        for (var start = 0; start < text.Length;)
        {
            var end = WordScanner.EndOf(text, start);
            words.Add(text[start..end]);
            start = end;
        }

        return words;
    }
}

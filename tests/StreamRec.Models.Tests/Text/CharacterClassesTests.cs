using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class CharacterClassesTests
{
    [Fact]
    public void Letters_numbers_and_white_space_are_those_of_Unicode_15_whatever_the_runtime_knows()
    {
        // The sizes of the three sets in Unicode 15.0. A runtime with newer tables than the one this was written for fails here.
        var (counts, lengths) = (new int[4], 0);
        for (var codePoint = 0; codePoint <= 0x10FFFF; codePoint++)
        {
            var text = codePoint is >= 0xD800 and <= 0xDFFF ? ((char)codePoint).ToString() : char.ConvertFromUtf32(codePoint);
            counts[(int)CharacterClasses.At(text, 0, out var length)]++;
            lengths += length;
        }

        Assert.Equal(0x10000 + (2 * 0x100000), lengths);
        Assert.Equal([976_152, 136_104, 1_831, 25], counts);
    }

    [Theory]
    [InlineData("a", CharacterClass.Letter)]
    [InlineData("ß", CharacterClass.Letter)]
    [InlineData("漢", CharacterClass.Letter)]
    [InlineData("𠮷", CharacterClass.Letter)]
    [InlineData("7", CharacterClass.Number)]
    [InlineData("½", CharacterClass.Number)]
    [InlineData("𝟙", CharacterClass.Number)]
    [InlineData("\u00A0", CharacterClass.WhiteSpace)]
    [InlineData("\u001C", CharacterClass.Other)]
    [InlineData("\u0301", CharacterClass.Other)]
    [InlineData("\u200B", CharacterClass.Other)]
    [InlineData("😀", CharacterClass.Other)]
    [InlineData("\uD800", CharacterClass.Other)]
    internal void A_character_has_its_class(string character, CharacterClass expected) =>
        Assert.Equal(expected, CharacterClasses.At(character, 0, out _));
}

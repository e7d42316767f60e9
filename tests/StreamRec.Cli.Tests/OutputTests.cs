using Spectre.Console;

namespace StreamRec.Cli.Tests;

public sealed class OutputTests
{
    [Theory]
    [InlineData("a lamp", "a lamp")]
    [InlineData("", "")]
    [InlineData("größe 漢字 🎈", "größe 漢字 🎈")]
    [InlineData("\u001b[31mred\u001b[0m", "?[[31mred?[[0m")]
    [InlineData("two\nlines\ttab\r\0\u0007", "two?lines?tab???")]
    [InlineData("\u0085\u009b31m", "??31m")]
    [InlineData("[bold]shout[/]", "[[bold]]shout[[/]]")]
    [InlineData("[link=http://127.0.0.1]here[/]", "[[link=http://127.0.0.1]]here[[/]]")]
    [InlineData("[", "[[")]
    public void Text_from_outside_is_made_harmless(string text, string expected) => Assert.Equal(expected, Output.Safe(text));

    [Theory]
    [InlineData("\u202etxt.exe")]
    [InlineData("\u2066hidden\u2069")]
    [InlineData("line\u2028and\u2029paragraph")]
    public void Text_cannot_turn_the_direction_of_a_line_or_break_it(string text) =>
        Assert.DoesNotContain(Output.Safe(text), c => c is '\u202e' or '\u2066' or '\u2069' or '\u2028' or '\u2029');

    [Fact]
    public void Safe_text_is_valid_markup_and_renders_as_itself()
    {
        var random = new Random(3);
        for (var round = 0; round < 500; round++)
        {
            var text = string.Concat(Enumerable.Range(0, 20).Select(_ => "[]/=a b\u001b\n"[random.Next(9)]));

            Assert.Equal(text.Replace('\u001b', '?').Replace('\n', '?'), Markup.Remove(Output.Safe(text)));
        }
    }
}

using System.Text;
using System.Text.Unicode;

namespace StreamRec.Domain.Tests;

public sealed class InteractionTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("B004756YJA")]
    [InlineData("anna/ben ../?#%2f")]
    [InlineData("größe-漢-🎈")]
    public void Any_text_without_control_characters_is_an_id(string text) => Assert.True(Interaction.IsId(text));

    [Theory]
    [InlineData("")]
    [InlineData("a\0")]
    [InlineData("a\tb")]
    [InlineData("\n")]
    [InlineData("a\u007f")]
    [InlineData("a\u0085")]
    public void Nothing_and_control_characters_are_no_id(string text) => Assert.False(Interaction.IsId(text));

    [Fact]
    public void Half_of_a_surrogate_pair_is_no_id()
    {
        Assert.False(Interaction.IsId("a\ud83c"));
        Assert.False(Interaction.IsId("\udf88a"));
    }

    [Theory]
    [InlineData("x", 256)]
    [InlineData("é", 128)]
    [InlineData("漢", 85)]
    [InlineData("🎈", 64)]
    public void An_id_may_have_256_bytes_and_not_one_more(string letter, int most)
    {
        var longest = string.Concat(Enumerable.Repeat(letter, most));

        Assert.True(Interaction.IsId(longest));
        Assert.False(Interaction.IsId(longest + letter));
    }

    [Fact]
    public void Bytes_are_an_id_where_their_text_is_one()
    {
        var random = new Random(1);
        var (ids, others) = (0, 0);
        for (var i = 0; i < 20_000; i++)
        {
            // Of everything that there is: letters, controls, all lengths of UTF-8, halves of it, and lengths around the bound.
            var bytes = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, random.Next(90)).Select(_ => (random.Next(300), random.Next(3)) switch
            {
                (0, _) => "\u0085",
                (1, _) => "\u001f",
                (2, _) => "\u007f",
                (_, 0) => "a",
                (_, 1) => "漢",
                _ => "🎈",
            })));
            bytes = random.Next(3) == 0 ? bytes[..random.Next(bytes.Length + 1)] : bytes;
            var isId = Utf8.IsValid(bytes) && Interaction.IsId(Encoding.UTF8.GetString(bytes));
            Assert.Equal(isId, Interaction.IsId(bytes));
            (ids, others) = isId ? (ids + 1, others) : (ids, others + 1);
        }

        Assert.True(ids > 1000 && others > 1000);
    }
}

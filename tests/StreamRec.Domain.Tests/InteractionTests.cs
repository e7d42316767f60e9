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
}

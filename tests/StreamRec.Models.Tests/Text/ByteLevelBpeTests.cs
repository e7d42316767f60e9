using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class ByteLevelBpeTests
{
    private static readonly ByteLevelBpe Toys = ByteLevelBpeTrainer.Train(
        ["red toy train", "red toy car", "blue toy train", "a toy for the train"], 290, ByteLevelBpeSettings.Bart);

    [Theory]
    [InlineData("")]
    [InlineData("red toy train")]
    [InlineData("  spaces \t and\nlines  ")]
    [InlineData("Überraschung für 10 € 😀👨‍👩‍👧 漢字")]
    [InlineData("\0\u0001\u007F\u0085")]
    public void Every_text_comes_back(string text)
    {
        var ids = new List<int>();
        Toys.Encode(text, ids);
        Assert.Equal(text, Toys.Decode([.. ids]));
        Assert.Equal(text, Toys.Decode(Toys.EncodeSequence(text), skipSpecial: true));
    }

    [Fact]
    public void Random_text_comes_back_and_its_offsets_cover_it()
    {
        var random = new Random(2);
        string[] parts = [" ", "  ", "toy", "tr", "ain", "é", "漢", "😀", "'s", "\n", "1", "."];
        for (var run = 0; run < 500; run++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(30)).Select(_ => parts[random.Next(parts.Length)]));
            var (ids, offsets) = (new List<int>(), new List<TokenOffset>());
            Toys.Encode(text, ids, offsets);
            Assert.Equal(text, Toys.Decode([.. ids]));
            Assert.Equal(ids.Count, offsets.Count);
            Assert.Equal(offsets.Select(one => one.ByteEnd).SkipLast(1), offsets.Select(one => one.ByteStart).Skip(1));
            Assert.Equal(System.Text.Encoding.UTF8.GetByteCount(text), offsets.LastOrDefault().ByteEnd);
            Assert.Equal(text.Length, offsets.LastOrDefault().End);
        }
    }

    [Fact]
    public void A_character_of_several_tokens_lies_in_each_of_them()
    {
        var (ids, offsets) = (new List<int>(), new List<TokenOffset>());
        Toys.Encode("a😀toy", ids, offsets);
        Assert.Equal(new TokenOffset(0, 1, 0, 1), offsets[0]);
        Assert.Equal([new(1, 3, 1, 2), new(1, 3, 2, 3), new(1, 3, 3, 4), new TokenOffset(1, 3, 4, 5)], offsets[1..5]);
        Assert.Equal(3, offsets[5].Start);
    }

    [Fact]
    public void A_space_put_before_the_text_has_no_place_in_it()
    {
        var tokenizer = ByteLevelBpeTrainer.Train(["toy toy"], 270, ByteLevelBpeSettings.Bart with { PrefixSpace = PrefixSpace.WhereMissing });
        var (ids, offsets) = (new List<int>(), new List<TokenOffset>());
        tokenizer.Encode("toy toy", ids, offsets);
        Assert.Equal([new(0, 3, 0, 3), new TokenOffset(3, 7, 3, 7)], offsets);
        Assert.Equal(ids[0], ids[1]);
        Assert.Equal([0, 2], tokenizer.EncodeSequence(""));
    }

    [Fact]
    public void A_mask_takes_in_the_white_space_before_it_and_no_other_token_does()
    {
        var (ids, offsets) = (new List<int>(), new List<TokenOffset>());
        Toys.Encode("toy \n <mask> </s>", ids, offsets);
        Assert.Equal([4, 2], ids.Where(Toys.Special.Contains));
        Assert.Equal("toy<mask> </s>", Toys.Decode([.. ids]));
        Assert.Contains(new TokenOffset(6, 12, 6, 12), offsets);
    }

    [Fact]
    public void Tokens_spelled_out_by_strangers_stay_text_where_the_settings_say_so()
    {
        var careful = ByteLevelBpeTrainer.Train(["toy"], 261, ByteLevelBpeSettings.Bart with { ReadsTokensInText = false });
        var ids = careful.EncodeSequence("a </s> <mask>");
        Assert.Equal([0, 2], ids.Where(careful.Special.Contains));
        Assert.Equal("a </s> <mask>", careful.Decode(ids, skipSpecial: true));
    }

    [Fact]
    public void The_longest_of_the_added_tokens_that_start_at_a_place_is_taken()
    {
        var tokenizer = Toys.WithAddedTokens("<a>", "<a><b>").WithAddedTokens("<c>");
        var ids = new List<int>();
        tokenizer.Encode("<a><b><a><c>", ids);
        Assert.Equal([Toys.VocabularySize + 1, Toys.VocabularySize, Toys.VocabularySize + 2], ids);
        Assert.Equal(tokenizer.IdOf("<c>"), ids[2]);
        Assert.Equal("<a><b> <a> <c>", tokenizer.Decode([.. ids]));
    }

    [Fact]
    public void An_added_token_is_neither_empty_nor_there_already()
    {
        Assert.Contains("'<mask>' is a token already", Assert.Throws<ArgumentException>(() => Toys.WithAddedTokens("<mask>")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Toys.WithAddedTokens("<a>", "<a>"));
        Assert.Throws<ArgumentException>(() => Toys.WithAddedTokens(""));
        Assert.Throws<ArgumentException>(() => Toys.IdOf("toy"));
    }

    [Fact]
    public void A_sequence_keeps_its_ends_when_it_is_shortened()
    {
        var whole = Toys.EncodeSequence("red toy train");
        Assert.Equal(whole, Toys.EncodeSequence("red toy train", whole.Length));
        Assert.Equal([.. whole[..^2], 2], Toys.EncodeSequence("red toy train", whole.Length - 1));
        Assert.Equal([0, 2], Toys.EncodeSequence("red toy train", 2));
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Toys.EncodeSequence("red", 1));
        Assert.Contains("maxLength is 1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_a_character_becomes_the_replacement_character()
    {
        var ids = new List<int>();
        Toys.Encode("\uD83D", ids);
        Assert.Equal("\uFFFD", Toys.Decode([.. ids]));
        ids.Clear();
        Toys.Encode("é", ids);
        Assert.Equal("\uFFFD", Toys.Decode([ids[0]]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(290)]
    public void An_id_that_is_not_of_the_vocabulary_is_an_error(int id)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Toys.Decode([5, id]));
        Assert.Contains($"An id is {id}; the ids of this vocabulary are in [0, {Toys.VocabularySize})", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_that_wrap_name_what_they_wrap_in()
    {
        var error = Assert.Throws<ArgumentException>(() => ByteLevelBpeTrainer.Train([], 300, ByteLevelBpeSettings.Bart with { End = null }));
        Assert.Contains("End is ''", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_threads_get_what_one_gets()
    {
        string[] texts = [.. Enumerable.Range(0, 400).Select(i => $"red toy {i} train <mask> {i % 7}")];
        var expected = texts.Select(text => Toys.EncodeSequence(text)).ToArray();
        Parallel.For(0, 4_000, i => Assert.Equal(expected[i % texts.Length], Toys.EncodeSequence(texts[i % texts.Length])));
    }
}

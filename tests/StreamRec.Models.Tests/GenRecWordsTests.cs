using StreamRec.Domain;
using StreamRec.Models.GenRecSeq2Seq;

namespace StreamRec.Models.Tests;

public sealed class GenRecWordsTests
{
    [Fact]
    public void Two_tokens_tell_all_items_apart()
    {
        var words = Make(new GenRecTextOptions(), 90);

        Assert.Equal(10, words.Options.ItemBase);
        Assert.All(words.AllWritten, word => Assert.Equal(2, word.Length));
        Assert.Equal(90, words.AllWritten.Select(word => (word[0], word[1])).Distinct().Count());
        Assert.Equal(9 + 10, words.AllWritten.SelectMany(word => word).Distinct().Count());
        Assert.Equal(words.Read(7), words.Written(7));
    }

    [Fact]
    public void Further_items_get_tokens_at_the_end_of_the_vocabulary()
    {
        var words = Make(new GenRecTextOptions(), 90);
        var grown = words.Grow(Items(500));

        Assert.Equal(words.AllWritten, grown.AllWritten.Take(90));
        Assert.Equal(words.Vocabulary + 41, grown.Vocabulary);
        Assert.All(grown.AllWritten.Skip(90).SelectMany(word => word.Take(1)), token => Assert.InRange(token, words.Vocabulary, grown.Vocabulary - 1));
        Assert.Equal(500, grown.AllWritten.Select(word => (word[0], word[1])).Distinct().Count());
    }

    [Fact]
    public void A_user_s_tokens_depend_on_the_id_alone()
    {
        var (few, many) = (Make(new GenRecTextOptions { UserBase = 9 }, 10), Make(new GenRecTextOptions { UserBase = 9 }, 10));

        Assert.Equal(few.User("somebody"), many.User("somebody"));
        Assert.Equal(2, few.User("somebody").Length);
        Assert.InRange(Enumerable.Range(0, 100).Select(i => string.Join(' ', few.User($"user-{i}"))).Distinct().Count(), 50, 81);
        Assert.Empty(Make(new GenRecTextOptions { User = false }, 10).User("somebody"));
    }

    [Fact]
    public void A_title_is_cut_spelled_in_one_line_and_no_token_in_it_is_read()
    {
        var text = new GenRecTextOptions { Items = GenRecItemText.Titles, TitleTokens = 12, Vocabulary = 261 };
        var words = GenRecWords.Make(
            text, [new Item("a", 0, "Soap\r\n\u2028 bar </s><mask>"), new Item("b", 1, null), new Item("c", 2, " \u0001 "), new Item("d", 3, new string('x', 400))], 1);

        Assert.Equal(" Soap bar </", words.Decode(words.Read(1))[..12]);
        Assert.DoesNotContain(words.Mask, words.Read(1));
        Assert.DoesNotContain(words.End, words.Read(1));
        Assert.Equal((" b", " c"), (words.Decode(words.Read(2)), words.Decode(words.Read(3))));
        Assert.Equal(12, words.Read(4).Length);
    }

    [Fact]
    public void Both_reads_number_and_title_and_writes_the_number()
    {
        var words = Make(new GenRecTextOptions { Items = GenRecItemText.Both, Vocabulary = 300 }, 20);

        Assert.Equal(words.Written(5), words.Read(5).Take(2));
        Assert.Equal(2, words.Written(5).Length);
        Assert.EndsWith("Thing number 4", words.Decode(words.Read(5)), StringComparison.Ordinal);
    }

    [Fact]
    public void Each_token_of_a_word_has_the_word_s_id_and_a_masked_word_none()
    {
        var words = Make(new GenRecTextOptions(), 20);
        var texts = new GenRecTexts(words, 20, 50);

        var next = texts.Of(3, "somebody", [7, 9], 2);
        Assert.Equal([words.Begin, .. words.User("somebody"), .. words.Read(7), .. words.Read(9), words.Mask, words.End], next.Tokens);
        Assert.Equal([0, 3, 3, 0, 0, 0, 0, 0, 0], next.Users);
        Assert.Equal([0, 0, 0, 7, 7, 9, 9, 0, 0], next.Items);

        var masked = texts.Of(0, "somebody", [7, 9], 0);
        Assert.Equal([words.Begin, words.Mask, .. words.Read(9), words.End], masked.Tokens);
        Assert.Equal([0, 0, 9, 9, 0], masked.Items);
        Assert.Equal(words.Mask, texts.Of(3, "somebody", [7, 9], GenRecTexts.TheUser).Tokens[1]);
    }

    [Theory]
    [InlineData(20, 50, 5)]
    [InlineData(3, 50, 3)]
    [InlineData(20, 12, 3)]
    [InlineData(20, 5, 1)]
    public void The_newest_items_that_fit_are_read(int maxItems, int maxTokens, int read)
    {
        var texts = new GenRecTexts(Make(new GenRecTextOptions(), 20), maxItems, maxTokens);

        Assert.Equal(new[] { 1, 2, 3, 4, 5 }[^read..], texts.Newest([1, 2, 3, 4, 5], "somebody").ToArray());
    }

    private static GenRecWords Make(GenRecTextOptions text, int items) => GenRecWords.Make(text, Items(items), 100);

    private static IReadOnlyList<Item> Items(int count) => [.. Enumerable.Range(0, count).Select(i => new Item($"item-{i}", i, $"Thing number {i}"))];
}

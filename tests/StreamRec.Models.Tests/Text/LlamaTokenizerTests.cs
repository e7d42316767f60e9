using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class LlamaTokenizerTests : IDisposable
{
    private static readonly SentencePieceFile File = new()
    {
        Pieces = ["▁t", "oy", "▁toy", "▁", "▁▁", "t", "o", "y", "a", "▁a"],
    };

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("toy a toy")]
    [InlineData("  toy\n é 漢😀 ")]
    [InlineData("")]
    public void Every_text_comes_back(string text)
    {
        var tokenizer = Load(new LlamaTokenizerSettings());
        Assert.Equal(text, tokenizer.Decode(tokenizer.EncodeSequence(text), skipSpecial: true));
    }

    [Fact]
    public void A_space_comes_before_the_text_and_in_older_checkpoints_after_special_tokens_too()
    {
        var (toy, a, bare) = (261, 268, 267);
        Assert.Equal([toy, 2, bare], Ids(Load(new LlamaTokenizerSettings()), "toy</s>a"));
        Assert.Equal([toy, 2, a], Ids(Load(new LlamaTokenizerSettings { Legacy = true }), "toy</s>a"));
        Assert.Equal([2, bare], Ids(Load(new LlamaTokenizerSettings()), "</s>a"));
        Assert.Equal([262, 269, bare], Ids(Load(new LlamaTokenizerSettings()).WithAddedTokens("<i>"), "<i>a"));
    }

    [Fact]
    public void A_sequence_begins_and_ends_as_the_settings_say_however_short_it_is_made()
    {
        Assert.Equal([1, 261], Load(new LlamaTokenizerSettings()).EncodeSequence("toy"));
        Assert.Equal([261], Load(new LlamaTokenizerSettings { AddsBegin = false }).EncodeSequence("toy"));
        var both = Load(new LlamaTokenizerSettings { AddsEnd = true });
        Assert.Equal([1, 261, 2], both.EncodeSequence("toy a", 3));
        Assert.Equal([1, 2], both.EncodeSequence("toy a", 2));
        Assert.Equal([1, 261, 2, 1, 268, 2], both.EncodePair("toy", "a"));
        Assert.Contains("maxLength is 1", Assert.Throws<ArgumentOutOfRangeException>(() => both.EncodeSequence("toy", 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tokens_spelled_out_by_strangers_stay_text_where_the_settings_say_so()
    {
        var careful = Load(new LlamaTokenizerSettings { ReadsTokensInText = false });
        var ids = careful.EncodeSequence("a</s>");
        Assert.Equal([1], ids.Where(careful.Special.Contains));
        Assert.Equal("a</s>", careful.Decode(ids, skipSpecial: true));
    }

    [Fact]
    public void Added_tokens_follow_on_the_vocabulary()
    {
        var tokenizer = Load(new LlamaTokenizerSettings()).WithAddedTokens("<i>").WithAddedTokens("<j>");
        Assert.Equal((269, 270, 271), (tokenizer.IdOf("<i>"), tokenizer.IdOf("<j>"), tokenizer.VocabularySize));
        Assert.Equal("toy <i> <j> toy", tokenizer.Decode(Ids(tokenizer, "toy<i><j> toy")));
        Assert.Throws<ArgumentException>(() => tokenizer.WithAddedTokens("</s>"));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([271]));
    }

    [Fact]
    public void Many_threads_get_what_one_gets()
    {
        var tokenizer = Load(new LlamaTokenizerSettings());
        string[] texts = [.. Enumerable.Range(0, 300).Select(i => $"toy {i} é</s> a {i % 7}")];
        var expected = texts.Select(text => tokenizer.EncodeSequence(text)).ToArray();
        Parallel.For(0, 3_000, i => Assert.Equal(expected[i % texts.Length], tokenizer.EncodeSequence(texts[i % texts.Length])));
    }

    [Fact]
    public void A_vocabulary_of_another_kind_is_refused()
    {
        var path = (File with { RemovesSpaces = true }).Write(_directory);
        var error = Assert.Throws<InvalidDataException>(() => LlamaTokenizer.Load(_directory.Path, new LlamaTokenizerSettings()));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
    }

    private static int[] Ids(LlamaTokenizer tokenizer, string text)
    {
        var ids = new List<int>();
        tokenizer.Encode(text, ids);
        return [.. ids];
    }

    private LlamaTokenizer Load(LlamaTokenizerSettings settings)
    {
        File.Write(_directory);
        return LlamaTokenizer.Load(_directory.Path, settings);
    }
}

using System.Text;
using System.Text.Json;
using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

/// <summary>Ids and texts of the reference tokenizers, exactly.</summary>
public sealed class ByteLevelBpeParityTests
{
    private static readonly Dictionary<string, ByteLevelBpe> Loaded = [];

    [Theory]
    [InlineData("gpt2")]
    [InlineData("gpt2.prefix_space")]
    [InlineData("bart")]
    [InlineData("bart.prefix_space")]
    public void Every_text_has_the_ids_of_the_reference(string name)
    {
        var (tokenizer, reference) = Open(name);
        foreach (var (text, given, expected) in reference.Cases)
        {
            var ids = new List<int>();
            tokenizer.Encode(given, ids);
            AssertSame(ReferenceTexts.Ids(expected, "ids"), ids, text);
            AssertSame(ReferenceTexts.Ids(expected, "ids_special"), tokenizer.EncodeSequence(given), text);
        }
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("gpt2.prefix_space")]
    [InlineData("bart")]
    [InlineData("bart.prefix_space")]
    public void Every_sequence_has_the_text_of_the_reference(string name)
    {
        var (tokenizer, reference) = Open(name);
        foreach (var (_, _, expected) in reference.Cases)
        {
            var ids = ReferenceTexts.Ids(expected, "ids_special");
            Assert.Equal(ReferenceTexts.Text(expected, "decoded"), tokenizer.Decode(ids));
            Assert.Equal(ReferenceTexts.Text(expected, "decoded_skip"), tokenizer.Decode(ids, skipSpecial: true));
        }
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("gpt2.prefix_space")]
    [InlineData("bart")]
    [InlineData("bart.prefix_space")]
    public void Pairs_and_shortened_sequences_are_those_of_the_reference(string name)
    {
        var (tokenizer, reference) = Open(name);
        reference.AssertPairsAndBatches(tokenizer);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("bart")]
    public void Added_tokens_are_read_and_written_as_by_the_reference(string name)
    {
        var (plain, reference) = Open(name);
        var added = reference.Added;
        var tokens = added.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!).ToList();
        var tokenizer = plain.WithAddedTokens(tokens);
        Assert.Equal(ReferenceTexts.Ids(added, "ids_of_added"), tokens.Select(tokenizer.IdOf));
        reference.AssertAdded(tokenizer);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("bart")]
    public void Offsets_give_each_token_the_bytes_of_the_text_that_it_spells(string name)
    {
        var (tokenizer, reference) = Open(name);
        foreach (var (_, text, _) in reference.Cases)
        {
            var (ids, offsets) = (new List<int>(), new List<TokenOffset>());
            tokenizer.Encode(text, ids, offsets);
            var utf8 = Encoding.UTF8.GetBytes(text);
            for (var i = 0; i < ids.Count; i++)
            {
                var bytes = utf8[offsets[i].ByteStart..offsets[i].ByteEnd];
                Assert.Equal(tokenizer.BytesOf(ids[i]), bytes);
                Assert.True(Encoding.UTF8.GetBytes(text[offsets[i].Start..offsets[i].End]).AsSpan().IndexOf(bytes) >= 0, text);
            }
        }
    }

    [Fact]
    public void A_saved_vocabulary_is_the_same_vocabulary()
    {
        var (tokenizer, reference) = Open("bart");
        using var directory = new TemporaryDirectory();
        tokenizer.WithAddedTokens("<a_0>").Save(directory.Path);
        var again = ByteLevelBpe.Load(directory.Path, ByteLevelBpeSettings.Bart);
        Assert.Equal(tokenizer.VocabularySize + 1, again.VocabularySize);
        Assert.All(reference.Cases, one => Assert.Equal(tokenizer.EncodeSequence(one.Text), again.EncodeSequence(one.Text)));
        Assert.Equal(
            File.ReadAllText(Path.Combine(reference.Directory, "merges.txt")), File.ReadAllText(Path.Combine(directory.Path, "merges.txt")));
        Assert.Equal(Ids(reference.Directory), Ids(directory.Path));

        static Dictionary<string, int> Ids(string directory) =>
            JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(Path.Combine(directory, "vocab.json")))!;
    }

    private static (ByteLevelBpe Tokenizer, ReferenceTexts Reference) Open(string name)
    {
        var files = name.Split('.')[0];
        var reference = ReferenceTexts.Read(name, files);
        if (!Loaded.TryGetValue(name, out var tokenizer))
        {
            var settings = files == "bart" ? ByteLevelBpeSettings.Bart : ByteLevelBpeSettings.Gpt2;
            var space = files == "bart" ? PrefixSpace.WhereMissing : PrefixSpace.Always;
            tokenizer = ByteLevelBpe.Load(reference.Directory, name == files ? settings : settings with { PrefixSpace = space });
            Loaded[name] = tokenizer;
        }

        return (tokenizer, reference);
    }

    private static void AssertSame(IReadOnlyList<int> expected, IReadOnlyList<int> actual, string text) =>
        Assert.True(expected.SequenceEqual(actual), $"{text}: expected {string.Join(' ', expected)}, but was {string.Join(' ', actual)}.");
}

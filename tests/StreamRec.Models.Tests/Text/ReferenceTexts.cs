using System.Text.Json;
using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

/// <summary>What the reference tokenizers made of the texts of the fixture <c>tokenizers</c>.</summary>
internal sealed class ReferenceTexts
{
    private readonly JsonElement _expected;
    private readonly string[] _texts;

    private ReferenceTexts(string directory, JsonElement expected, string[] texts) => (Directory, _expected, _texts) = (directory, expected, texts);

    /// <summary>The directory of the tokenizer's files.</summary>
    public string Directory { get; }

    /// <summary>Texts with what is expected of each.</summary>
    public IEnumerable<(string Name, string Text, JsonElement Expected)> Cases =>
        _expected.GetProperty("cases").EnumerateArray().Select((one, i) => (one.GetProperty("name").GetString()!, _texts[i], one));

    /// <summary>Texts with added tokens.</summary>
    public JsonElement Added => _expected.GetProperty("added_tokens");

    /// <summary>Reads an expectation; the calling test is skipped when the fixture is absent.</summary>
    /// <param name="name">As in the file's name, such as <c>bart.prefix_space</c>.</param>
    /// <param name="files">Directory of the tokenizer's files.</param>
    public static ReferenceTexts Read(string name, string files)
    {
        var directory = Fixtures.Find("tokenizers");
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, $"{name}.expected.json")));
        using var strings = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "strings.json")));
        return new ReferenceTexts(
            Path.Combine(directory, files),
            expected.RootElement.Clone(),
            [.. strings.RootElement.EnumerateArray().Select(one => one.GetProperty("text").GetString()!)]);
    }

    /// <summary>Pairs have the reference's ids, and so has every row of its batches, padding left out.</summary>
    public void AssertPairsAndBatches(ITokenizer tokenizer)
    {
        foreach (var pair in _expected.GetProperty("pairs").EnumerateArray())
        {
            Assert.Equal(Ids(pair, "ids_special"), tokenizer.EncodePair(Text(pair, "text"), Text(pair, "pair")));
        }

        foreach (var batch in _expected.GetProperty("batches").EnumerateArray())
        {
            var rows = batch.GetProperty("texts").EnumerateArray()
                .Zip(batch.GetProperty("input_ids").EnumerateArray(), batch.GetProperty("attention_mask").EnumerateArray());
            foreach (var (text, ids, mask) in rows)
            {
                var unpadded = ids.EnumerateArray().Zip(mask.EnumerateArray()).Where(one => one.Second.GetInt32() == 1).Select(one => one.First.GetInt32());
                Assert.Equal(unpadded, tokenizer.EncodeSequence(text.GetString(), batch.GetProperty("max_length").GetInt32()));
            }
        }
    }

    /// <summary>Texts with added tokens have the reference's ids and come back as its texts.</summary>
    /// <param name="tokenizer">With the tokens added.</param>
    public void AssertAdded(ITokenizer tokenizer)
    {
        Assert.Equal(Added.GetProperty("base_len").GetInt32() + Added.GetProperty("added").GetInt32(), tokenizer.VocabularySize);
        foreach (var expected in Added.GetProperty("cases").EnumerateArray())
        {
            var ids = tokenizer.EncodeSequence(Text(expected, "text"));
            Assert.Equal(Ids(expected, "ids_special"), ids);
            Assert.Equal(Text(expected, "decoded_skip"), tokenizer.Decode(ids, skipSpecial: true));
        }
    }

    public static int[] Ids(JsonElement owner, string name) => [.. owner.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    public static string Text(JsonElement owner, string name) => owner.GetProperty(name).GetString()!;
}

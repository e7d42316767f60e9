using System.Text.Json;

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

    /// <summary>Pairs of texts, or none.</summary>
    public IEnumerable<JsonElement> Pairs => _expected.GetProperty("pairs").EnumerateArray();

    /// <summary>Padded batches.</summary>
    public IEnumerable<JsonElement> Batches => _expected.GetProperty("batches").EnumerateArray();

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

    public static int[] Ids(JsonElement owner, string name) => [.. owner.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    public static string Text(JsonElement owner, string name) => owner.GetProperty(name).GetString()!;
}

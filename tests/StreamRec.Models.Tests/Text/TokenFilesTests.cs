using System.Text.Json;
using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class TokenFilesTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public TokenFilesTests() => ByteLevelBpeTrainer.Train(["toy toys"], 264, ByteLevelBpeSettings.Bart).Save(_directory.Path);

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("[1]", "line 1, byte 0: is no JSON object of tokens and ids")]
    [InlineData("{\"a\":0", "is no JSON")]
    [InlineData("{\"a\":0} x", "is no JSON")]
    [InlineData("{\n\"a\":\"0\"}", "line 2, byte 6: 'a' has no id of 0 or more")]
    [InlineData("{\"a\":-1}", "'a' has no id of 0 or more")]
    [InlineData("{\"a\":0,\n\n\"a\":1}", "line 3, byte 13: 'a' is there twice, with ids 0 and 1")]
    [InlineData("{\"a\":0,\"b\":0}", "'a' and 'b' both have id 0")]
    [InlineData("{\"a\":0,\"b\":2}", "no token has id 1, yet there are 2 with ids up to 2")]
    [InlineData("{\"a\":0}", "has no token '<s>', which the settings name")]
    public void A_vocabulary_that_is_none_is_refused_with_the_place(string json, string message)
    {
        _directory.Write("vocab.json", json);
        AssertRefused("vocab.json", message);
    }

    [Fact]
    public void A_byte_without_a_token_is_named()
    {
        Change(ids => Rename(ids, "Ġ", "no_space"));
        AssertRefused("vocab.json", "no token stands for byte 0x20 alone ('Ġ')");
    }

    [Fact]
    public void A_token_that_is_not_spelled_in_byte_characters_is_named()
    {
        Change(ids => Rename(ids, "Ġ", "▁"));
        AssertRefused("vocab.json", "'▁', is not spelled with the characters for bytes");
    }

    [Theory]
    [InlineData("t o y", "line 2: is 't o y', not two tokens with one space between")]
    [InlineData("to", "line 2: is 'to', not two tokens")]
    [InlineData("t ▁", "line 2: needs a token '▁', which the vocabulary has not")]
    [InlineData("y t", "line 2: needs a token 'yt', which the vocabulary has not")]
    [InlineData("o y\no y", "line 3: is 'o y', which line 2 is already")]
    public void Merges_that_are_none_are_refused_with_the_line(string lines, string message)
    {
        _directory.Write("merges.txt", $"#version: 0.2\n{lines}\n");
        AssertRefused("merges.txt", message);
    }

    [Fact]
    public void An_added_token_that_is_there_already_is_refused()
    {
        _directory.Write("added_tokens.json", "{\"<s>\":263}");
        AssertRefused("added_tokens.json", "'<s>' is a token already");
    }

    [Fact]
    public void Lines_of_Windows_and_a_byte_order_mark_are_read()
    {
        var expected = Load().EncodeSequence("toys");
        _directory.Write("merges.txt", File.ReadAllText(PathOf("merges.txt")).Replace("\n", "\r\n", StringComparison.Ordinal));
        _directory.Write("vocab.json", "\uFEFF" + File.ReadAllText(PathOf("vocab.json")));
        Assert.Equal(expected, Load().EncodeSequence("toys"));
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        File.Delete(PathOf("merges.txt"));
        Assert.Contains("merges.txt", Assert.Throws<FileNotFoundException>(() => Load()).Message, StringComparison.Ordinal);
    }

    private static void Rename(Dictionary<string, int> ids, string from, string to)
    {
        ids[to] = ids[from];
        ids.Remove(from);
    }

    private void Change(Action<Dictionary<string, int>> change)
    {
        var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(PathOf("vocab.json")))!;
        change(ids);
        _directory.Write("vocab.json", JsonSerializer.Serialize(ids));
    }

    private void AssertRefused(string file, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => Load());
        Assert.StartsWith(PathOf(file), error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    private ByteLevelBpe Load() => ByteLevelBpe.Load(_directory.Path, ByteLevelBpeSettings.Bart);

    private string PathOf(string file) => Path.Combine(_directory.Path, file);
}

using System.Text.Json;

namespace StreamRec.Pipeline.Tests;

/// <summary><c>train</c> of a family that reads text, <c>prompt</c> and <c>recommend</c>, as people run them.</summary>
public sealed class PromptTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task The_text_of_a_user_is_shown_token_by_token_and_what_is_written_after_it_recommended()
    {
        var data = _directory["data"];
        await File.WriteAllLinesAsync(
            _directory["circle.txt"],
            Enumerable.Range(0, 60).Select(user => $"user-{user} {string.Join(' ', Enumerable.Range(user * 7, 8).Select(step => $"item-{step % 20}"))}"),
            TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            _directory["recipe.json"],
            """
            {
              "family": "genrec-seq2seq",
              "model": { "hidden": 16, "encoderLayers": 1, "decoderLayers": 1, "heads": 2, "feedForward": 32, "maxItems": 4 },
              "stages": [{ "epochs": 2, "learningRate": 0.01 }]
            }
            """,
            TestContext.Current.CancellationToken);
        await RunAsync("import", _directory["circle.txt"], "--data", data);
        await RunAsync("train", "--recipe", _directory["recipe.json"], "--activate", "--data", data);

        var prompt = await JsonAsync("prompt", "user-3", "--family", "genrec-seq2seq", "--json", "--data", data);
        Assert.Equal("genrec-seq2seq@1", prompt.GetProperty("version").GetString());
        var tokens = prompt.GetProperty("tokens").EnumerateArray().ToList();
        // Begin, two of the user, two of each of the four newest items, mask, end.
        Assert.Equal(13, tokens.Count);
        Assert.Equal(["user-3", "user-3"], tokens[1..3].Select(token => token.GetProperty("user_id").GetString()));
        Assert.Equal(
            ["item-5", "item-5", "item-6", "item-6", "item-7", "item-7", "item-8", "item-8"],
            tokens[3..11].Select(token => token.GetProperty("item_id").GetString()));
        Assert.EndsWith("<mask></s>", prompt.GetProperty("text").GetString(), StringComparison.Ordinal);

        var list = await JsonAsync("recommend", "user-3", "-k", "5", "--json", "--data", data);
        Assert.Equal(5, list.GetProperty("items").GetArrayLength());
        Assert.All(list.GetProperty("items").EnumerateArray(), item => Assert.Equal("genrec-seq2seq", item.GetProperty("source").GetString()));

        var refused = await StreamRecProcess.RunAsync("prompt", "user-3", "--family", "recgpt", "--data", data);
        Assert.Contains("error: There is no checkpoint of the family 'recgpt'", refused.Errors, StringComparison.Ordinal);
    }

    private static async Task<CommandResult> RunAsync(params string[] arguments)
    {
        var result = await StreamRecProcess.RunAsync(arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}\n{result.Output}\n{result.Errors}");
        return result;
    }

    private static async Task<JsonElement> JsonAsync(params string[] arguments) =>
        JsonSerializer.Deserialize<JsonElement>((await RunAsync(arguments)).Output);
}

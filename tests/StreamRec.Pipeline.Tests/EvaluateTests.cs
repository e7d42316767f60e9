using System.Text.Json;

namespace StreamRec.Pipeline.Tests;

/// <summary><c>evaluate</c>, <c>compare</c> and tables of experiments, as people run them.</summary>
public sealed class EvaluateTests : IDisposable
{
    private const int Users = 150;
    private readonly TempDirectory _directory = new();

    // Everybody walks round a circle of 40 items: what comes next is plain to a model, and not to popularity.
    public EvaluateTests()
    {
        File.WriteAllLines(_directory["circle.txt"], Enumerable.Range(0, Users).Select(
            user => $"user-{user} {string.Join(' ', Enumerable.Range(user * 7, 8).Select(step => $"item-{step % 40}"))}"));
        Recipe.Write(_directory["recipe.json"]);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_trained_model_is_judged_beside_the_baselines_and_compared_with_one_that_is_not()
    {
        var data = _directory["data"];
        await RunAsync("import", _directory["circle.txt"], "--data", data);
        await RunAsync("train", "--recipe", _directory["recipe.json"], "--epochs", "15", "--data", data);
        // One pass, and without the counts of the stream, which alone would answer everything.
        var bare = (await File.ReadAllTextAsync(_directory["recipe.json"], TestContext.Current.CancellationToken)).TrimEnd()[..^1] + """, "evidence": { "weight": 0 } }""";
        await File.WriteAllTextAsync(_directory["bare.json"], bare, TestContext.Current.CancellationToken);
        await RunAsync("train", "--recipe", _directory["bare.json"], "--epochs", "1", "--data", data);

        var judged = await JsonAsync("evaluate", "recgpt@1", "--breakdown", "--svg", _directory["quality.svg"], "--json", "--data", data);
        Assert.Equal(Users, judged.GetProperty("cases").GetInt32());
        Assert.Equal("strict protocol", judged.GetProperty("protocol").GetString());
        Assert.InRange(judged.GetProperty("metrics").GetProperty("ndcg@10").GetDouble(), 0.9, 1);
        Assert.InRange(judged.GetProperty("baselines").GetProperty("transitions").GetProperty("metrics").GetProperty("hr@10").GetDouble(), 0.9, 1);
        Assert.InRange(judged.GetProperty("popularity").GetProperty("hr@10").GetDouble(), 0, 0.6);
        Assert.Equal(Users, judged.GetProperty("breakdown").GetProperty("recgpt@1").GetProperty("length").GetProperty("5-9").GetProperty("cases").GetInt32());
        Assert.StartsWith("<svg", (await File.ReadAllTextAsync(_directory["quality.svg"], TestContext.Current.CancellationToken)).TrimStart(), StringComparison.Ordinal);

        var compared = await JsonAsync("compare", "recgpt@1", "recgpt@2", "--json", "--data", data);
        var figure = compared.GetProperty("figures").GetProperty("ndcg@10");
        Assert.True(figure.GetProperty("significant").GetBoolean());
        Assert.True(figure.GetProperty("difference").GetDouble() > 0);
        Assert.Equal(judged.GetProperty("metrics").GetProperty("ndcg@10").GetDouble(), figure.GetProperty("a").GetDouble(), 1e-9);
        Assert.Equal(Users, compared.GetProperty("wins").GetInt32() + compared.GetProperty("losses").GetInt32() + compared.GetProperty("ties").GetInt32());

        var same = await RunAsync("compare", "recgpt@1", "recgpt@1", "--data", data);
        Assert.Contains("No difference can be shown in NDCG@10.", same.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_runs_what_is_missing_prints_ours_beside_published_and_its_results_can_be_compared()
    {
        await File.WriteAllTextAsync(_directory["small.json"], """
            {
              "title": "Small", "figures": ["hr@10", "ndcg@10"],
              "parts": [{ "name": "all", "sets": [{ "name": "Circle", "file": "circle.txt", "rows": [
                { "name": "ours", "recipe": "recipe.json", "set": { "stages.0.epochs": 6 }, "goal": { "ndcg@10": 0.5 }, "published": { "ndcg@10": 0.25 } },
                { "name": "ours", "recipe": "recipe.json", "set": { "stages.0.epochs": 6 }, "protocol": "online" }] }] }]
            }
            """, TestContext.Current.CancellationToken);
        string[] table = ["evaluate", "--table", _directory["small.json"], "--seeds", "1,2", "--data", _directory.Path, "--results", _directory["results"]];

        var printed = await RunAsync(table);
        var again = await RunAsync([.. table, "--json"]);

        Assert.Contains("0.2500, +", printed.Output, StringComparison.Ordinal);
        Assert.Contains("NDCG@10 0.5000: pass", printed.Output, StringComparison.Ordinal);
        Assert.Equal(4, again.Errors.Split('\n').Count(line => line.Contains("known already", StringComparison.Ordinal)));
        var rows = JsonSerializer.Deserialize<JsonElement>(again.Output).GetProperty("parts")[0].GetProperty("sets")[0].GetProperty("rows");
        Assert.Equal(["Strict", "Online"], rows.EnumerateArray().Select(row => row.GetProperty("protocol").GetString()));

        string[] strict = [.. Directory.GetFiles(_directory["results"], "*-strict-*.json").Order()];
        var online = Directory.GetFiles(_directory["results"], "*-online-1-*.json").Single();
        var seeds = await JsonAsync("compare", strict[0], strict[1], "--json");
        Assert.Equal(Users, seeds.GetProperty("wins").GetInt32() + seeds.GetProperty("losses").GetInt32() + seeds.GetProperty("ties").GetInt32());
        var refused = await StreamRecProcess.RunAsync("compare", strict[0], online);
        Assert.Equal((2, true), (refused.ExitCode, refused.Errors.Contains("only the same protocol can be compared", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("There is no table", "evaluate", "--table", "nowhere.json")]
    [InlineData("epochs is 0; it must be 1 or more", "train", "--epochs", "0")]
    [InlineData("There is no checkpoint to evaluate", "evaluate")]
    public async Task What_cannot_be_done_is_said_in_one_line(string reason, params string[] arguments)
    {
        await RunAsync("import", _directory["circle.txt"], "--data", _directory["data"]);

        var refused = await StreamRecProcess.RunAsync([.. arguments, "--data", _directory["data"]]);

        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains($"error: {reason}", refused.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", refused.Errors, StringComparison.Ordinal);
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

using System.Text.Json;

namespace StreamRec.Pipeline.Tests;

/// <summary><c>export</c> and <c>users export</c>, on data at rest.</summary>
public sealed class ExportTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("rows.csv.gz")]
    [InlineData("rows.jsonl")]
    public async Task What_was_exported_and_imported_again_is_exported_the_same(string name)
    {
        await File.WriteAllLinesAsync(
            _directory["in.csv"],
            [
                "user_id,item_id,type,timestamp,value,event_id",
                .. Enumerable.Range(0, 3000).Select(i => $"\"user, {i % 70}\",item-{i * 7919 % 200},{(i % 3 == 0 ? "rating" : "view")},{1_700_000_000_000 + i},{(i % 3 == 0 ? i % 5 + 0.5 : "")},{(i % 2 == 0 ? $"e-{i}" : "")}"),
            ],
            TestContext.Current.CancellationToken);
        await RunAsync("import", _directory["in.csv"], "--data", _directory["first"]);

        var summary = JsonSerializer.Deserialize<JsonElement>((await RunAsync("export", "--out", _directory[name], "--json", "--data", _directory["first"])).Output);
        Assert.Equal(3000, summary.GetProperty("interactions").GetInt32());
        await RunAsync("import", _directory[name], "--data", _directory["second"]);

        var (first, second) = (await RowsAsync("first"), await RowsAsync("second"));
        Assert.Equal(3000, first.Count);
        Assert.Equal(first, second);
        Assert.Equal(["user, 3"], (await RowsAsync("second", "--user", "user, 3")).Select(row => row[0]).Distinct());
        Assert.Empty(await RowsAsync("second", "--after", $"{summary.GetProperty("last_position").GetInt64()}"));

        // Everything of one user in one document.
        var all = JsonSerializer.Deserialize<JsonElement>((await RunAsync("users", "export", "user, 3", "--data", _directory["second"])).Output);
        var interactions = all.GetProperty("interactions").EnumerateArray().ToList();
        Assert.Equal(first.Where(row => row[0] == "user, 3").Select(row => row[1]), interactions.Select(row => row.GetProperty("item_id").GetString()));
        Assert.Equal(interactions.Count, all.GetProperty("state").GetProperty("interactions").GetInt64());
    }

    [Fact]
    public async Task What_cannot_be_is_said()
    {
        var both = await StreamRecProcess.RunAsync("export", "--json", "--data", _directory["data"]);
        Assert.Equal(2, both.ExitCode);
        Assert.Contains("name a file", both.Errors, StringComparison.Ordinal);
        var nobody = await StreamRecProcess.RunAsync("users", "export", "nobody", "--data", _directory["data"]);
        Assert.Equal(1, nobody.ExitCode);
        Assert.Contains("Nothing is known of user 'nobody'", nobody.Errors, StringComparison.Ordinal);
    }

    // What an interaction is; where it stood is the journal's own.
    private async Task<List<string[]>> RowsAsync(string data, params IEnumerable<string> arguments)
    {
        var exported = await RunAsync(["export", .. arguments, "--data", _directory[data]]);
        return [.. exported.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line =>
        {
            var row = JsonSerializer.Deserialize<JsonElement>(line);
            return new[] { "user_id", "item_id", "type", "timestamp", "value", "event_id" }.Select(name => row.GetProperty(name).ToString()).ToArray();
        })];
    }

    private static async Task<CommandResult> RunAsync(params IEnumerable<string> arguments)
    {
        var result = await StreamRecProcess.RunAsync(arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}\n{result.Output}\n{result.Errors}");
        return result;
    }
}

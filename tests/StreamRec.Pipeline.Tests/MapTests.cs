using System.Text.Json;

namespace StreamRec.Pipeline.Tests;

/// <summary><c>map test</c>, as people run it.</summary>
public sealed class MapTests : IDisposable
{
    private static readonly string[] Shop =
    [
        "--set", "Mapping:User=$.user.id", "--set", "Mapping:Item=$.item.id", "--set", "Mapping:Type=$.event.type", "--set", "Mapping:Time=$.ts",
        "--set", "Mapping:Types:view_item=view", "--set", "Mapping:Types:ping=ignore",
    ];

    private readonly TempDirectory _directory = new();

    public MapTests() => File.WriteAllText(_directory["sample.jsonl"], """
        {"user":{"id":42},"item":{"id":"B1"},"event":{"type":"view_item"},"ts":1700000000000}
        {"user":{"id":"u"},"item":{"id":"B2"},"event":{"type":"add_to_cart"},"ts":1700000000000}

        {"event":{"type":"ping"}}
        {"user":{"id":"u"},"event":{"type":"view_item"}}
        not json
        """);

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task The_sample_is_shown_as_the_server_would_take_it()
    {
        var shown = await StreamRecProcess.RunAsync(["map", "test", _directory["sample.jsonl"], .. Shop]);
        Assert.Equal((0, ""), (shown.ExitCode, shown.Errors));
        Assert.Contains("5 records: 1 matched, 1 ignored, 3 unmatched.", shown.Output, StringComparison.Ordinal);
        Assert.Contains("Commonest unmatched types: add_to_cart (1)", shown.Output, StringComparison.Ordinal);

        var json = await StreamRecProcess.RunAsync(["map", "test", _directory["sample.jsonl"], "--json", .. Shop]);
        using var document = JsonDocument.Parse(json.Output);
        var first = document.RootElement.GetProperty("first");
        Assert.Equal(["42 B1 view", "unknown_type", "ignored_type", "missing_item_id", "invalid_json"], first.EnumerateArray().Select(f =>
            f.GetProperty("code").GetString() ?? $"{f.GetProperty("user_id").GetString()} {f.GetProperty("item_id").GetString()} {f.GetProperty("type").GetString()}"));
        Assert.Equal([1, 2, 4, 5, 6], first.EnumerateArray().Select(f => f.GetProperty("row").GetInt32()));
        Assert.Equal("add_to_cart", document.RootElement.GetProperty("unmatched_types")[0].GetProperty("type").GetString());
    }

    [Fact]
    public async Task Where_nothing_matches_the_fields_that_are_there_are_named()
    {
        var shown = await StreamRecProcess.RunAsync("map", "test", _directory["sample.jsonl"]);
        Assert.Equal(1, shown.ExitCode);
        Assert.Contains("Unmatched because of: missing_user_id (4), invalid_json (1)", shown.Output, StringComparison.Ordinal);
        Assert.Contains("The records have these fields: event (4), user (3), item (2), ts (2)", shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_that_is_none_is_refused_before_anything_is_read()
    {
        var refused = await StreamRecProcess.RunAsync("map", "test", "nowhere.jsonl", "--set", "Mapping:User=$.users[*].id");
        Assert.Equal(78, refused.ExitCode);
        Assert.Contains("Mapping:User is \"$.users[*].id\", which is no path from character 8 on; it must be $ and 1 to 16 steps", refused.Errors, StringComparison.Ordinal);
    }
}

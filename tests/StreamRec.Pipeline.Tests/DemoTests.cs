using System.Text.Json;

namespace StreamRec.Pipeline.Tests;

public sealed class DemoTests
{
    [Fact]
    public async Task The_demo_ends_by_itself_with_exit_code_0_and_a_summary()
    {
        using var temporary = new TempDirectory();
        await using var demo = StreamRecProcess.StartWith(("TMPDIR", temporary.Path), "demo", "--seconds", "12", "--json");
        Assert.True(await demo.ExitAsync() == 0, demo.Describe());
        using var summary = JsonDocument.Parse(demo.Output);
        var figures = summary.RootElement.GetProperty("figures");
        Assert.True(figures.GetProperty("interactions").GetInt64() > 0, demo.Describe());
        Assert.True(figures.GetProperty("lists").GetInt64() > 0, demo.Describe());
        Assert.Equal(0, figures.GetProperty("dead_letters").GetInt64());
        Assert.True(figures.GetProperty("p99_ms").GetDouble() > 0, demo.Describe());
        Assert.Equal(JsonValueKind.Array, summary.RootElement.GetProperty("models").ValueKind);
        AssertNothingIsLeftIn(temporary);
    }

    [Fact]
    public async Task Ctrl_C_ends_the_demo_at_once_with_exit_code_0_and_a_summary()
    {
        Assert.SkipWhen(StreamRecProcess.IgnoresInterrupts, "Whoever started the tests has Ctrl-C ignored, as shells do for what runs in the background; their children inherit that.");
        using var temporary = new TempDirectory();
        await using var demo = StreamRecProcess.StartWith(("TMPDIR", temporary.Path), "demo", "--seconds", "600", "--json");
        await Eventually.TrueAsync(() => demo.Errors.Contains("HTTP at", StringComparison.Ordinal), "the demo runs", demo.Describe);
        demo.Interrupt();
        Assert.True(await demo.ExitAsync() == 0, demo.Describe());
        using var summary = JsonDocument.Parse(demo.Output);
        Assert.True(summary.RootElement.TryGetProperty("figures", out _), demo.Describe());
        AssertNothingIsLeftIn(temporary);
    }

    private static void AssertNothingIsLeftIn(TempDirectory temporary) =>
        Assert.Empty(Directory.EnumerateFileSystemEntries(temporary.Path, "streamrec-*"));
}

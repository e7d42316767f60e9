using System.Text.Json;

namespace StreamRec.Pipeline.Tests;

/// <summary>The topic once more, into a state beside the live one.</summary>
public sealed class SideReplayTests
{
    [Fact]
    public async Task A_side_state_holds_what_the_live_one_holds_and_a_server_goes_on_from_it()
    {
        using var directory = new TempDirectory();
        await using var broker = await BrokerProcess.StartAsync();
        using var lists = new ListWatcher(broker.BootstrapServers);
        await using var live = await ServerProcess.StartAsync(directory["live"], broker.BootstrapServers, "Training:Mode=Off");
        await using var traffic = new CrashTraffic(broker.BootstrapServers, users: 40, perSecond: 400, seed: 5);
        await Eventually.TrueAsync(() => traffic.Sent.Count >= 800, "800 records");
        await traffic.StopAsync();
        var expected = CrashCheck.Of(traffic).Sequences;
        await lists.AllAsync(expected);

        var replayed = await RunAsync(directory, broker, "replay", "--from", "earliest", "--side", directory["side"]);
        var again = await RunAsync(directory, broker, "replay", "--from", "earliest", "--side", directory["side"]);

        Assert.Equal(traffic.Sent.Count, replayed.GetProperty("records").GetInt32());
        Assert.Equal(expected.Values.Sum(), replayed.GetProperty("journal").GetProperty("interactions").GetInt64());
        Assert.Equal(0, again.GetProperty("records").GetInt32());
        Assert.Equal(expected.Values.Sum(), (await live.FiguresAsync()).Interactions);

        await using var side = await ServerProcess.StartAsync(directory["side"], broker.BootstrapServers, "Training:Mode=Off", "Kafka:GroupId=side");
        foreach (var user in expected.Keys.Take(5))
        {
            Assert.Equal(JsonSerializer.Serialize(await live.UserAsync(user)), JsonSerializer.Serialize(await side.UserAsync(user)));
        }

        using var producer = RawKafka.Producer(broker.BootstrapServers);
        await RawKafka.ClickAsync(producer, "later", "item-1", TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(async () => (await side.FiguresAsync()).Interactions == 1, "the one that came later", side.Process.Describe);
    }

    [Theory]
    [InlineData("live")]
    [InlineData("live/")]
    [InlineData("other/../live")]
    [InlineData("link")]
    public async Task The_live_directory_is_refused_however_it_is_written(string side)
    {
        using var directory = new TempDirectory();
        Directory.CreateDirectory(directory["live"]);
        Directory.CreateSymbolicLink(directory["link"], directory["live"]);
        await using var process = StreamRecProcess.Start(["replay", "--from", "earliest", "--side", $"{directory.Path}/{side}", "--data", directory["live"]]);
        Assert.NotEqual(0, await process.ExitAsync());
        Assert.Contains("where the live state is", process.Describe());
    }

    private static async Task<JsonElement> RunAsync(TempDirectory directory, BrokerProcess broker, params string[] command)
    {
        await using var process = StreamRecProcess.Start(
            [.. command, "--data", directory["live"], "--set", $"Kafka:BootstrapServers={broker.BootstrapServers}", "--json"]);
        Assert.True(await process.ExitAsync() == 0, process.Describe());
        using var json = JsonDocument.Parse(process.Output);
        return json.RootElement.Clone();
    }
}

using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Pipeline.Tests;

/// <summary>Records that are gone before they are read, as whoever operates the server sees it.</summary>
public sealed class LogGapTests
{
    private const int Sent = 200;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_gap_is_told_to_the_operator_and_gone_over_once_the_operator_accepts_it()
    {
        using var directory = new TempDirectory();
        await using var broker = await BrokerProcess.StartAsync(partitions: 2);
        var missing = await OverflowAsync(broker.BootstrapServers);
        await using (var server = await ServerProcess.StartAsync(directory["data"], broker.BootstrapServers, "Training:Mode=Off"))
        {
            JsonElement shown = default;
            await Eventually.TrueAsync(
                async () => (shown = await RunAsync(directory, "resume")).GetProperty("gaps").GetArrayLength() > 0, "the gap is told", server.Process.Describe);
            var gap = shown.GetProperty("gaps")[0];
            Assert.Equal((0, missing), (gap.GetProperty("partition").GetInt32(), gap.GetProperty("missing_offsets").GetInt64()));
            Assert.Contains($"{missing} records were dropped", await server.NotReadyAsync(), StringComparison.Ordinal);
            Assert.Equal(0, (await server.FiguresAsync()).Interactions);

            var accepted = await RunAsync(directory, "resume", "--accept-gap");
            Assert.Equal(gap.ToString(), accepted.GetProperty("accepted")[0].ToString());
            await Eventually.TrueAsync(
                async () => (await server.FiguresAsync()).Interactions == Sent - missing, "what is left is applied", server.Process.Describe);
            Assert.Null(await server.NotReadyAsync());
            server.Process.Terminate();
            Assert.Equal(0, await server.Process.ExitAsync());
        }

        var record = Assert.Single((await RunAsync(directory, "audit")).EnumerateArray());
        Assert.Contains($"offsets 0 to {missing - 1} are given up, {missing} records", record.GetProperty("detail").GetString(), StringComparison.Ordinal);
        // The journal's position is behind the gap now.
        await using var again = await ServerProcess.StartAsync(directory["data"], broker.BootstrapServers, "Training:Mode=Off", "Kafka:GroupId=again");
        using var producer = RawKafka.Producer(broker.BootstrapServers);
        await RawKafka.ClickAsync(producer, "u", "later", Cancellation);
        await Eventually.TrueAsync(async () => (await again.FiguresAsync()).Interactions == 1, "reading goes on", again.Process.Describe);
        Assert.Null(await again.NotReadyAsync());
    }

    private static async Task<JsonElement> RunAsync(TempDirectory directory, params string[] command)
    {
        await using var process = StreamRecProcess.Start([.. command, "--data", directory["data"], "--json"]);
        await process.ExitAsync();
        using var json = JsonDocument.Parse(process.Output);
        return json.RootElement.Clone();
    }

    /// <summary>8 MB into a partition that keeps 5 MiB; how many of the records are gone.</summary>
    private static async Task<long> OverflowAsync(string bootstrapServers)
    {
        var first = new TopicPartition(new TopicNames().Interactions, 0);
        using var producer = RawKafka.Producer(bootstrapServers);
        await Task.WhenAll(Enumerable.Range(0, Sent).Select(i => producer.ProduceAsync(
            first, new Message<byte[], byte[]> { Value = Encoding.UTF8.GetBytes($$"""{"user_id":"u","item_id":"i{{i}}"}""".PadRight(40_000)) }, Cancellation)));
        using var consumer = RawKafka.Consumer(bootstrapServers, first.Topic);
        return consumer.QueryWatermarkOffsets(first, TimeSpan.FromSeconds(10)).Low.Value;
    }
}

using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Pipeline.Tests;

/// <summary>From records that nobody understands to users: dead letters, the doctor's finding, a mapping, and replay.</summary>
public sealed class DlqTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private string Data => _directory["data"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Records_in_another_shape_are_letters_until_a_mapping_is_set_and_they_are_replayed()
    {
        await using var broker = await BrokerProcess.StartAsync();
        await using (var server = await ServerProcess.StartAsync(Data, broker.BootstrapServers, "Training:Mode=Off"))
        {
            await ProduceAsync(broker.BootstrapServers, "e1", "e2");
            await LettersAsync(broker, server, 2);

            var listed = await JsonAsync("dlq", "list");
            Assert.Equal((2, 2), (listed.GetProperty("total").GetInt32(), listed.GetProperty("codes").GetProperty("missing_user_id").GetInt32()));
            var letter = listed.GetProperty("letters")[0].GetProperty("letter").GetString()!;
            var table = await RunAsync("dlq", "list", "--last", "1", "--code", "missing_user_id");
            Assert.Contains("2 letters: missing_user_id (2)", table.Output, StringComparison.Ordinal);

            var shown = await RunAsync("dlq", "show", letter);
            Assert.Contains("header     __connect.errors.stage: VALUE_CONVERTER", shown.Output, StringComparison.Ordinal);
            Assert.Contains("""{"user":{"id":"anna"},"item_id":"i","event_id":"e1"}""", shown.Output, StringComparison.Ordinal);
            Assert.Equal("anna", (await JsonAsync("dlq", "show", letter)).GetProperty("key").GetProperty("text").GetString());
            var absent = await StreamRecProcess.RunAsync("dlq", "show", "0:99999", "--data", Data);
            Assert.Equal(2, absent.ExitCode);
            Assert.Contains("There is no letter at 0:99999; streamrec.dead-letters has ", absent.Errors, StringComparison.Ordinal);

            var doctor = await StreamRecProcess.RunAsync("doctor", "--data", Data);
            Assert.Equal(1, doctor.ExitCode);
            Assert.Contains("FAIL  interactions    2 consumed, 0 matched, 2 dead-lettered; commonest reason: missing_user_id (2)", doctor.Output, StringComparison.Ordinal);

            var dry = await JsonAsync("dlq", "replay", "--dry-run");
            Assert.Equal((2, true), (dry.GetProperty("sent").GetInt32(), dry.GetProperty("dry_run").GetBoolean()));
            Assert.Equal(0, (await JsonAsync("dlq", "replay", "--code", "unknown_type")).GetProperty("sent").GetInt32());
            var replayed = await RunAsync("dlq", "replay");
            Assert.Contains("Sent 2 letters back to streamrec.interactions (2).", replayed.Output, StringComparison.Ordinal);
            var letters = await LettersAsync(broker, server, 4);
            Assert.Equal(["1", "1", "2", "2"], letters.Select(l => Encoding.UTF8.GetString(l.Message.Headers.GetLastBytes("streamrec.error.attempts"))).Order());
            server.Process.Terminate();
            Assert.Equal(0, await server.Process.ExitAsync());
        }

        await using (var server = await ServerProcess.StartAsync(Data, broker.BootstrapServers, "Training:Mode=Off", "Mapping:User=$.user.id"))
        {
            Assert.Equal(4, (await JsonAsync("dlq", "replay")).GetProperty("sent").GetInt32());
            // Each record came twice, once for each of its letters; its event_id says that it is the same one.
            await Eventually.TrueAsync(
                async () => JsonSerializer.Deserialize<JsonElement>((await RunAsync("doctor", "--json")).Output).EnumerateArray()
                    .Any(f => f.GetProperty("found").GetString()!.StartsWith("4 consumed, 4 matched", StringComparison.Ordinal)),
                "the replayed records", server.Process.Describe);
            await Eventually.TrueAsync(async () => await server.UserAsync("anna") is { Interactions: 2 }, "both interactions", server.Process.Describe);
        }
    }

    private static async Task ProduceAsync(string bootstrapServers, params IEnumerable<string> events)
    {
        using var producer = RawKafka.Producer(bootstrapServers);
        await Task.WhenAll(events.Select(id => producer.ProduceAsync(
            new TopicNames().Interactions,
            new Message<byte[], byte[]> { Key = "anna"u8.ToArray(), Value = Encoding.UTF8.GetBytes($$$"""{"user":{"id":"anna"},"item_id":"i","event_id":"{{{id}}}"}""") },
            TestContext.Current.CancellationToken)).ToList());
    }

    private static async Task<List<ConsumeResult<byte[], byte[]>>> LettersAsync(BrokerProcess broker, ServerProcess server, int count)
    {
        List<ConsumeResult<byte[], byte[]>> letters = [];
        await Eventually.TrueAsync(
            () => (letters = RawKafka.ReadAll(broker.BootstrapServers, new TopicNames().DeadLetters)).Count == count, $"{count} letters", server.Process.Describe);
        return letters;
    }

    private async Task<CommandResult> RunAsync(params IEnumerable<string> arguments)
    {
        var result = await StreamRecProcess.RunAsync([.. arguments, "--data", Data]);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Output}{result.Errors}");
        return result;
    }

    private async Task<JsonElement> JsonAsync(params IEnumerable<string> arguments) =>
        JsonSerializer.Deserialize<JsonElement>((await RunAsync([.. arguments, "--json"])).Output);
}

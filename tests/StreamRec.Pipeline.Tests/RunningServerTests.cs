using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using StreamRec.Server.Http;

namespace StreamRec.Pipeline.Tests;

/// <summary>What a running server does with wrong checkpoints, wrong records, other clients, other servers and users who want to go.</summary>
public sealed class RunningServerTests(RunningServer server) : IClassFixture<RunningServer>
{
    private const string Kcat = "/usr/bin/kcat";

    [Theory]
    [InlineData(Damage.FlippedByte, "model.safetensors was altered")]
    [InlineData(Damage.MissingFile, "model.safetensors is missing")]
    [InlineData(Damage.NanWeight, "segment_embeddings.weight holds a value that is not finite")]
    [InlineData(Damage.WrongShape, "position_embeddings.weight is [19, 32]; expected [20, 32]")]
    public async Task A_checkpoint_that_fails_a_check_is_refused_by_the_running_server_and_lists_keep_coming(Damage damage, string reason)
    {
        var version = 100 + (int)damage;
        DamagedCheckpoint.Create(Path.Combine(server.Data, "models"), version, damage);

        var refused = await server.RunAsync("models", "activate", $"recgpt@{version}");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains(reason, refused.Errors, StringComparison.Ordinal);

        Assert.Equal("recgpt@1", (await server.Server.FiguresAsync()).Model);
        var listed = await server.RunAsync("models", "list", "--json");
        var models = JsonSerializer.Deserialize<ModelView[]>(listed.Output, ViewJson.Options)!;
        Assert.Equal("recgpt@1", Assert.Single(models, model => model.Alias == "champion").Version);
        Assert.Equal("recgpt@1", Assert.Single(models, model => model.Serves).Version);

        await server.ClickAsync($"after-{damage}", "item-00001");
        var list = await server.Lists.ListAsync($"after-{damage}", 1);
        Assert.Equal(new SeenModel("recgpt", 1, "champion"), list.Model);
        Assert.Null(list.Fallback);
        Assert.Empty(server.Lists.Faults);
    }

    [Fact]
    public async Task Everything_and_everything_of_one_user_is_exported_while_the_server_runs()
    {
        await server.ClickAsync("exported", "item-00002");
        await server.ClickAsync("exported", "item,00003");
        await server.Lists.ListAsync("exported", 2);
        using var directory = new TempDirectory();

        var exported = await server.RunAsync("export", "--out", directory["rows.csv"], "--json");
        Assert.True(exported.ExitCode == 0, exported.Errors);
        var rows = await File.ReadAllLinesAsync(directory["rows.csv"], TestContext.Current.CancellationToken);
        Assert.Equal(rows.Length - 1, JsonDocument.Parse(exported.Output).RootElement.GetProperty("interactions").GetInt32());
        Assert.True(rows.Length > 4000);
        Assert.Single(rows, row => row.Contains(",exported,\"item,00003\",click,", StringComparison.Ordinal));

        var user = await server.RunAsync("users", "export", "exported");
        var interactions = JsonDocument.Parse(user.Output).RootElement.GetProperty("interactions").EnumerateArray();
        Assert.Equal(["item-00002", "item,00003"], interactions.Select(row => row.GetProperty("item_id").GetString()));

        // Without the token nobody gets any of it.
        using var http = new HttpClient { BaseAddress = ServerAddress.Find(server.Data)!.Url };
        using var refused = await http.PostAsync(new Uri("interactions", UriKind.Relative), null, TestContext.Current.CancellationToken);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, refused.StatusCode);
    }

    [Fact]
    public async Task Malformed_oversized_unknown_and_binary_records_land_in_dead_letters_byte_for_byte_and_the_stream_goes_on()
    {
        const string user = "among-garbage";
        var noise = new byte[300];
        new Random(5).NextBytes(noise);
        var future = DateTimeOffset.UtcNow.AddYears(3).ToUnixTimeMilliseconds();
        (byte[]? Value, string Code)[] garbage =
        [
            (noise, "invalid_utf8"),
            (null, "empty"),
            ([], "empty"),
            ("not json"u8.ToArray(), "invalid_json"),
            ("""{"user_id":"among-garbage","item_id":"half"""u8.ToArray(), "invalid_json"),
            ("""["among-garbage","item"]"""u8.ToArray(), "invalid_json"),
            ("""{"user_id":"among-garbage"}"""u8.ToArray(), "missing_item_id"),
            ("""{"item_id":"i"}"""u8.ToArray(), "missing_user_id"),
            ("""{"user_id":"among-garbage","item_id":""}"""u8.ToArray(), "invalid_item_id"),
            ("""{"user_id":"among-garbage","item_id":"a\u0000b"}"""u8.ToArray(), "invalid_item_id"),
            ("""{"user_id":"among-garbage","item_id":"i","user_id":"other"}"""u8.ToArray(), "duplicate_field"),
            ("""{"user_id":"among-garbage","item_id":"i","type":"teleport"}"""u8.ToArray(), "unknown_type"),
            ("""{"user_id":"among-garbage","item_id":"i","value":"much"}"""u8.ToArray(), "invalid_value"),
            (Encoding.UTF8.GetBytes($$"""{"user_id":"among-garbage","item_id":"i","timestamp":{{future}}}"""), "invalid_timestamp"),
            (Encoding.UTF8.GetBytes($$"""{"user_id":"among-garbage","item_id":"{{new string('x', 70_000)}}"}"""), "oversized"),
        ];

        // One key, so one partition: each piece of garbage stands between two good records.
        var sent = new List<(DeliveryResult<byte[], byte[]> Delivery, byte[] Value, string Code)>();
        var items = new List<string>();
        foreach (var (value, code) in garbage)
        {
            items.Add($"item-{items.Count:d5}");
            await server.ClickAsync(user, items[^1]);
            sent.Add((await server.SendAsync(user, value), value ?? [], code));
        }

        items.Add("the-last");
        await server.ClickAsync(user, items[^1]);
        await server.Lists.ListAsync(user, items.Count);

        var shown = await server.RunAsync("users", "show", user, "--json");
        var view = JsonSerializer.Deserialize<UserView>(shown.Output, ViewJson.Options)!;
        Assert.Equal(items, view.Sequence.Select(entry => entry.ItemId));

        var letters = await ReadDeadLettersAsync(sent.Count);
        foreach (var (delivery, value, code) in sent)
        {
            var letter = Assert.Single(letters, letter => HeaderOf(letter, "streamrec.error.offset") == delivery.Offset.Value.ToString()
                && HeaderOf(letter, "streamrec.error.partition") == delivery.Partition.Value.ToString());
            Assert.Equal(code, HeaderOf(letter, "streamrec.error.code"));
            Assert.Equal(RunningServer.Topics.Interactions, HeaderOf(letter, "streamrec.error.topic"));
            Assert.NotEqual("", HeaderOf(letter, "streamrec.error.message"));
            Assert.Equal(value, letter.Message.Value ?? []);
            Assert.Equal(user, Encoding.UTF8.GetString(letter.Message.Key));
        }

        Assert.Equal(garbage.Length, (await server.Server.FiguresAsync()).DeadLetters);
        Assert.Empty(server.Lists.Faults);
    }

    [Fact]
    public async Task An_independent_client_produces_an_interaction_and_consumes_the_list()
    {
        Assert.SkipUnless(File.Exists(Kcat), "kcat is not installed (apt-get install kcat).");
        const string user = "foreigner";
        var cancellationToken = TestContext.Current.CancellationToken;
        using var consumer = Start("-C", "-t", RunningServer.Topics.Recommendations, "-o", "beginning", "-u", "-q", "-f", "%k\t%s\n");
        try
        {
            using var producer = Start("-P", "-t", RunningServer.Topics.Interactions, "-k", user);
            await producer.StandardInput.WriteAsync($$"""{"user_id":"{{user}}","item_id":"item-00002","type":"purchase"}""");
            producer.StandardInput.Close();
            await producer.WaitForExitAsync(cancellationToken).WaitAsync(Eventually.Deadline, cancellationToken);
            Assert.Equal(0, producer.ExitCode);

            string? line;
            do
            {
                line = await consumer.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(Eventually.Deadline, cancellationToken);
                Assert.NotNull(line);
            }
            while (!line.StartsWith($"{user}\t", StringComparison.Ordinal));

            using var list = JsonDocument.Parse(line[(user.Length + 1)..]);
            Assert.Equal(user, list.RootElement.GetProperty("user_id").GetString());
            Assert.Equal(1, list.RootElement.GetProperty("sequence").GetInt64());
            Assert.Equal(1, list.RootElement.GetProperty("model").GetProperty("version").GetInt32());
            Assert.Equal(10, list.RootElement.GetProperty("items").GetArrayLength());
        }
        finally
        {
            consumer.Kill();
            await consumer.WaitForExitAsync(CancellationToken.None);
        }

        Process Start(params IEnumerable<string> arguments) => Process.Start(
            new ProcessStartInfo(Kcat, ["-b", server.Broker.BootstrapServers, .. arguments])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
    }

    [Fact]
    public async Task A_second_server_on_the_same_data_is_refused_at_once()
    {
        var started = TimeProvider.System.GetTimestamp();
        var second = await server.RunAsync(
            "serve", "--set", $"Kafka:BootstrapServers={server.Broker.BootstrapServers}", "--set", "Server:HttpPort=0");
        Assert.Equal(75, second.ExitCode);
        Assert.Contains("journal.db", second.Errors, StringComparison.Ordinal);
        Assert.Contains("--data", second.Errors, StringComparison.Ordinal);
        // Less than a group join takes: it was refused before it touched Kafka. Measured: about 0.3 s.
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(10), second.Errors);

        Assert.Equal(server.Server.Address, ServerAddress.Find(server.Data));
        await server.ClickAsync("after-the-second-server", "item-00003");
        await server.Lists.ListAsync("after-the-second-server", 1);
    }

    [Fact]
    public async Task Requests_over_http_leave_nothing_in_the_log()
    {
        await server.Server.FiguresAsync();
        Assert.Contains("Ready. HTTP at", server.Server.Process.Describe(), StringComparison.Ordinal);
        Assert.DoesNotContain("Microsoft.AspNetCore", server.Server.Process.Describe(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forgotten_user_is_gone_from_journal_and_state()
    {
        const string user = "somebody-who-wants-to-be-forgotten";
        string[] items = ["item-00004", "item-00005", "item-00006"];
        foreach (var item in items)
        {
            await server.ClickAsync(user, item);
            await server.ClickAsync("somebody-who-stays", item);
        }

        await server.Lists.ListAsync(user, items.Length);
        await server.Lists.ListAsync("somebody-who-stays", items.Length);
        Assert.Equal(0, (await server.RunAsync("users", "show", user)).ExitCode);
        // Ids are stored as they are, so what is not found afterwards is not there.
        Assert.True(IsOnDisk(user));

        var forgotten = await server.RunAsync("users", "forget", user, "--json");
        Assert.Equal(0, forgotten.ExitCode);
        using var receipt = JsonDocument.Parse(forgotten.Output);
        Assert.Equal(items.Length, receipt.RootElement.GetProperty("interactions").GetInt64());
        Assert.DoesNotContain(user, forgotten.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await server.RunAsync("users", "show", user)).ExitCode);
        Assert.False(IsOnDisk(user));

        var other = await server.RunAsync("users", "show", "somebody-who-stays", "--json");
        Assert.Equal(items, JsonSerializer.Deserialize<UserView>(other.Output, ViewJson.Options)!.Sequence.Select(entry => entry.ItemId));

        // Who comes back begins again.
        server.Lists.Forget(user);
        await server.ClickAsync(user, "item-00007");
        Assert.Equal(1, (await server.Lists.ListAsync(user, 1)).Sequence);
        Assert.Empty(server.Lists.Faults);
    }

    private bool IsOnDisk(string text) => Directory.EnumerateFiles(server.Data, "journal.db*")
        .Where(file => !file.EndsWith(".lock", StringComparison.Ordinal))
        .Any(file =>
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.GetBuffer().AsSpan(0, (int)bytes.Length).IndexOf(Encoding.UTF8.GetBytes(text)) >= 0;
        });

    private async Task<List<ConsumeResult<byte[], byte[]>>> ReadDeadLettersAsync(int count)
    {
        using var consumer = RawKafka.Consumer(server.Broker.BootstrapServers, RunningServer.Topics.DeadLetters);
        var letters = new List<ConsumeResult<byte[], byte[]>>();
        await Eventually.TrueAsync(
            () =>
            {
                while (consumer.Consume(TimeSpan.Zero) is { } record)
                {
                    letters.Add(record);
                }

                return letters.Count >= count;
            },
            $"{count} dead letters", () => $"There are {letters.Count}.");
        return letters;
    }

    private static string HeaderOf(ConsumeResult<byte[], byte[]> record, string name) =>
        record.Message.Headers.TryGetLastBytes(name, out var bytes) ? Encoding.UTF8.GetString(bytes) : "";
}

using StreamRec.Journal.Tests;

namespace StreamRec.Pipeline.Tests;

/// <summary>Several nodes on one consumer group and one PostgreSQL: whatever happens to one of them costs nothing but time.</summary>
[Collection(nameof(PostgresServer))]
public sealed class ScaleOutTests(PostgresFixture database) : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();
    private readonly List<ServerProcess> _nodes = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(database.Missing is not null, database.Missing ?? "");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        _directory.Dispose();
    }

    [Fact]
    public async Task A_kill_a_freeze_and_a_join_under_load_lose_nothing_and_do_nothing_twice()
    {
        var file = _directory["sequences.txt"];
        SequenceFile.Generate(file, users: 2000, veryLong: 3, seed: 12);
        var users = SequenceFile.Read(file);
        var schema = database.NewSchema();
        await using var broker = await BrokerProcess.StartAsync(partitions: 6);

        // A node that comes back from its freeze may still send lists that it had computed: consumers leave those aside, as README says.
        using var lists = new ListWatcher(broker.BootstrapServers) { ToleratesOlderLists = true };
        var (killed, frozen, steady) = (await StartAsync(broker, schema), await StartAsync(broker, schema), await StartAsync(broker, schema));
        await using var replay = StreamRecProcess.Start(
            "replay", file, "--rate", "1500", "--json", "--set", $"Kafka:BootstrapServers={broker.BootstrapServers}");

        await Eventually.TrueAsync(() => lists.Count >= 1000, "the first lists", steady.Process.Describe);
        killed.Process.Kill();
        await Eventually.TrueAsync(() => lists.Count >= 4000, "more lists", steady.Process.Describe);
        frozen.Process.Suspend();
        var joined = await StartAsync(broker, schema);
        Assert.Equal(0, await replay.ExitAsync());
        await lists.AllAsync(users.ToDictionary(user => user.Key, user => user.Value.LongLength));
        frozen.Process.Resume();
        foreach (var node in new[] { steady, joined, frozen })
        {
            // Any node answers for any user, whoever has the user in memory; the one that froze has to find out first.
            foreach (var (user, items) in users.Take(20))
            {
                await Eventually.TrueAsync(
                    async () => (await node.UserAsync(user))?.Interactions == items.Length, $"{user} on {node.Address.Url}", node.Process.Describe);
            }

            Assert.False(node.Process.HasExited, node.Process.Describe());
        }

        foreach (var node in new[] { steady, joined, frozen })
        {
            node.Process.Terminate();
            Assert.True(await node.Process.ExitAsync() == 0, node.Process.Describe());
        }

        Assert.Empty(lists.Faults);
        Assert.All(users, user => Assert.Equal(user.Value.Length, lists.Newest(user.Key)!.Sequence));
        await JournalCheck.IsTheFileAsync(new Journal.JournalOptions { ConnectionString = schema }, users, partitions: 6);
    }

    [Fact]
    public async Task A_user_who_is_forgotten_on_one_node_is_gone_on_all()
    {
        var schema = database.NewSchema();
        await using var broker = await BrokerProcess.StartAsync(partitions: 2);
        using var lists = new ListWatcher(broker.BootstrapServers);
        var (one, other) = (await StartAsync(broker, schema), await StartAsync(broker, schema));
        string[] users = [.. Enumerable.Range(0, 8).Select(i => $"user-{i}")];
        using var producer = RawKafka.Producer(broker.BootstrapServers);
        foreach (var node in new[] { one, other })
        {
            await Eventually.TrueAsync(
                () => node.Process.Errors.Contains("opened at offset", StringComparison.Ordinal), "a partition for each node", node.Process.Describe);
        }

        await SendAsync("a");
        await SendAsync("b");
        await lists.AllAsync(users.ToDictionary(user => user, _ => 2L));

        foreach (var user in users)
        {
            // Half of them are in the memory of the other node.
            await one.ForgetAsync(user);
            lists.Forget(user);
        }

        foreach (var node in new[] { one, other })
        {
            foreach (var user in users)
            {
                await Eventually.TrueAsync(async () => await node.UserAsync(user) is null, $"{user} is gone", node.Process.Describe);
            }
        }

        await SendAsync("c");
        await lists.AllAsync(users.ToDictionary(user => user, _ => 1L));
        Assert.All(users, user => Assert.Equal(1, lists.Newest(user)!.Sequence));
        Assert.Empty(lists.Faults);

        async Task SendAsync(string item)
        {
            foreach (var user in users)
            {
                await RawKafka.ClickAsync(producer, user, item, Token);
            }
        }
    }

    private async Task<ServerProcess> StartAsync(BrokerProcess broker, string schema)
    {
        var node = await ServerProcess.StartAsync(
            _directory[$"node-{_nodes.Count}"], broker.BootstrapServers, "Training:Mode=Off", $"Journal:ConnectionString={schema}",
            "Kafka:Consumer:Config:session.timeout.ms=6000", "Kafka:Consumer:Config:heartbeat.interval.ms=1000");
        _nodes.Add(node);
        return node;
    }
}

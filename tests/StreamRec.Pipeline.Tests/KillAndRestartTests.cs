using StreamRec.Journal;

namespace StreamRec.Pipeline.Tests;

/// <summary>The guarantees that hold whatever is killed: nothing lost, nothing twice, in order, and everybody gets the last list.</summary>
public sealed class KillAndRestartTests
{
    [Fact]
    public async Task Every_interaction_is_journaled_once_and_in_order_across_a_kill_and_a_restart()
    {
        using var directory = new TempDirectory();
        SequenceFile.Generate(directory["sequences.txt"], users: 2000, veryLong: 5, seed: 11);
        await ReplayWithKillAsync(directory, directory["sequences.txt"], partitions: 4, rate: 3000, killsAfter: [8000, 1]);
    }

    [Fact]
    public async Task Beauty_is_journaled_once_and_in_order_across_a_kill_and_a_restart()
    {
        var file = SequenceFile.Find("Beauty.txt.gz");
        Assert.SkipWhen(file is null, "Beauty.txt.gz is neither in STREAMREC_DATA nor in a shared/data directory above.");
        using var directory = new TempDirectory();
        // Sixteen partitions hold 80 MiB of lists: some seconds' worth, by which the watcher may be late.
        var users = await ReplayWithKillAsync(directory, file!, partitions: 16, rate: 16_000, killsAfter: [60_000]);
        Assert.Equal(22_363, users.Count);
        Assert.Equal(198_502, users.Values.Sum(items => items.Length));
    }

    private static async Task<Dictionary<string, string[]>> ReplayWithKillAsync(
        TempDirectory directory, string file, int partitions, int rate, long[] killsAfter)
    {
        var users = SequenceFile.Read(file);
        var total = users.Values.Sum(items => items.Length);
        var data = directory["data"];
        await using var broker = await BrokerProcess.StartAsync(partitions);
        using var lists = new ListWatcher(broker.BootstrapServers, NoneHadBefore(users));
        var server = await ServerProcess.StartAsync(data, broker.BootstrapServers, "Training:Mode=Off");
        try
        {
            await using var replay = StreamRecProcess.Start(
                "replay", file, "--rate", rate.ToString(), "--json", "--set", $"Kafka:BootstrapServers={broker.BootstrapServers}");
            // In the middle of the stream, then as soon as a restarted server takes up what was left.
            foreach (var (kill, after) in killsAfter.Index())
            {
                await Eventually.TrueAsync(
                    async () => (await server.FiguresAsync()).Interactions >= after, $"{after} interactions", server.Process.Describe);
                server.Process.Kill();
                await server.Process.ExitAsync();
                Assert.True(kill > 0 || !replay.HasExited, "The kill came after the end of the stream.");
                await server.DisposeAsync();
                server = await ServerProcess.StartAsync(data, broker.BootstrapServers, "Training:Mode=Off");
            }

            Assert.Equal(0, await replay.ExitAsync());
            Assert.Contains($"\"sent\":{total}", replay.Output.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
            await lists.AllAsync(users.ToDictionary(user => user.Key, user => user.Value.LongLength));
            Assert.Equal(0, (await server.FiguresAsync()).DeadLetters);
            server.Process.Terminate();
            Assert.True(await server.Process.ExitAsync() == 0, server.Process.Describe());
        }
        finally
        {
            await server.DisposeAsync();
        }

        Assert.Empty(lists.Faults);
        Assert.All(users, user => Assert.Equal(user.Value.Length, lists.Newest(user.Key)!.Sequence));
        await JournalCheck.IsTheFileAsync(new JournalOptions { Path = Path.Combine(data, "journal.db") }, users, partitions);
        return users;
    }

    private static Action<SeenList, Action<string>> NoneHadBefore(Dictionary<string, string[]> users)
    {
        var first = users.ToDictionary(
            user => user.Key,
            user => user.Value.Index().DistinctBy(entry => entry.Item).ToDictionary(entry => entry.Item, entry => entry.Index));
        return (list, fault) =>
        {
            foreach (var item in list.Items)
            {
                if (first[list.UserId].TryGetValue(item.ItemId, out var index) && index < list.Sequence)
                {
                    fault($"{list.UserId}: list {list.Sequence} has {item.ItemId}, which the user had at {index + 1}");
                }
            }
        };
    }
}

using System.Text;
using Confluent.Kafka;
using StreamRec.Journal;
using StreamRec.Kafka;

namespace StreamRec.Pipeline.Tests;

/// <summary>More than the path can take, with every queue so short that all of them fill up.</summary>
public sealed class OverloadTests : IDisposable
{
    private const int Partitions = 2;
    private const int Queue = 20;

    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_flood_through_the_shortest_queues_is_held_back_and_nothing_of_it_is_lost()
    {
        var random = new Random(9);
        var users = Enumerable.Range(0, 300).ToDictionary(
            user => $"user-{user}", _ => Enumerable.Range(0, 20 + random.Next(20)).Select(_ => $"item-{random.Next(300)}").ToArray());
        // One user has as much as all others together.
        users["crawler"] = [.. Enumerable.Range(0, 9_000).Select(i => $"item-{i % 300}")];

        await using var broker = await BrokerProcess.StartAsync(Partitions);
        Flood(broker.BootstrapServers, users, random);
        using var lists = new ListWatcher(broker.BootstrapServers);
        var data = _directory["data"];
        await using var server = await ServerProcess.StartAsync(
            data, broker.BootstrapServers, "Training:Mode=Off", $"Inference:QueueCapacity={Queue}", "Inference:MaxBatchSize=2", "Kafka:BatchSize=200",
            "Users:MailboxBatches=1", "Users:CommitsInFlight=1", "Users:TurnInteractions=100", "Users:MaxSequence=65536");
        var waiting = 0;
        await Eventually.TrueAsync(
            async () =>
            {
                var figures = await server.FiguresAsync();
                waiting = Math.Max(waiting, figures.Waiting);
                return figures is { Lag: 0, Waiting: 0 } && lists.Missing(Sequences(users)) == 0;
            },
            "the end of the flood", server.Process.Describe);
        Assert.InRange(waiting, 1, Queue);
        Assert.Empty(lists.Faults);

        server.Process.Terminate();
        Assert.True(await server.Process.ExitAsync() == 0, server.Process.Describe());
        await JournalCheck.IsTheFileAsync(new JournalOptions { Path = Path.Combine(data, "journal.db") }, users, Partitions);
    }

    /// <summary>Everybody's interactions in order, spread evenly over the flood.</summary>
    private static void Flood(string bootstrapServers, Dictionary<string, string[]> users, Random random)
    {
        using var producer = RawKafka.Producer(bootstrapServers);
        var flood = users.SelectMany(user => user.Value.Select((item, place) => (user.Key, Item: item, At: (place + random.NextDouble()) / user.Value.Length)));
        foreach (var (user, item, _) in flood.OrderBy(interaction => interaction.At))
        {
            producer.Produce(new TopicNames().Interactions, new Message<byte[], byte[]>
            {
                Key = Encoding.UTF8.GetBytes(user),
                Value = Encoding.UTF8.GetBytes($$"""{"user_id":"{{user}}","item_id":"{{item}}"}"""),
            });
        }

        Assert.Equal(0, producer.Flush(TimeSpan.FromSeconds(60)));
    }

    private static Dictionary<string, long> Sequences(Dictionary<string, string[]> users) =>
        users.ToDictionary(user => user.Key, user => user.Value.LongLength);
}

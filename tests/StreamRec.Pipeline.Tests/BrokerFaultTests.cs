using Confluent.Kafka;
using StreamRec.Journal;
using StreamRec.Kafka;

namespace StreamRec.Pipeline.Tests;

/// <summary>A broker that is away, slow or refuses, under traffic: it costs time and nothing else.</summary>
public sealed class BrokerFaultTests
{
    private const int Partitions = 4;
    private const int Users = 100;
    private const int PerSecond = 300;

    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(3);

    [Fact]
    public async Task While_the_broker_is_away_everything_waits_and_goes_on_by_itself() => await RunAsync(async run =>
    {
        await run.Broker.DownAsync();
        // The length of the outage.
        await Task.Delay(Outage, TestContext.Current.CancellationToken);
        await run.Broker.UpAsync();
    });

    [Fact]
    public async Task A_slow_broker_costs_no_partition() => await RunAsync(async run =>
    {
        await run.Broker.DelayAsync(TimeSpan.FromMilliseconds(300));
        await Task.Delay(Outage, TestContext.Current.CancellationToken);
        await run.ListsGoOnAsync();
        Assert.Equal(Partitions, run.Server.Process.Errors.Split("opened at offset").Length - 1);
        await run.Broker.DelayAsync(TimeSpan.Zero);
    });

    [Theory]
    [InlineData("Produce", ErrorCode.NotLeaderForPartition, ErrorCode.RequestTimedOut)]
    [InlineData("Fetch", ErrorCode.NotLeaderForPartition, ErrorCode.RequestTimedOut)]
    [InlineData("OffsetCommit", ErrorCode.GroupLoadInProgress, ErrorCode.RequestTimedOut)]
    public async Task Errors_that_pass_are_outlasted(string api, params ErrorCode[] codes) => await RunAsync(async run =>
    {
        foreach (var code in codes)
        {
            await run.Broker.FailAsync(api, code, 5);
        }
    });

    [Fact]
    public async Task A_line_that_the_broker_does_not_understand_is_answered_with_what_it_does()
    {
        await using var broker = await BrokerProcess.StartAsync(partitions: 2);
        foreach (var (line, answer) in new[]
        {
            ("sideways", "'sideways' is not a command; there are: down | up | rtt <ms> | errors <api> <code> <count> | dropped."),
            ("rtt soon", "rtt is soon; it must be in [0, 60000]."),
            ("errors Everything 6 1", "api is Everything; it must be one of Produce, Fetch,"),
            ("errors Fetch 12345 1", "code is 12345; it must be a number or name of Kafka's errors"),
            ("errors Fetch NotLeaderForPartition 0", "count is 0; it must be in [1, 10000]."),
        })
        {
            var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => broker.TellAsync(line));
            Assert.StartsWith(answer, refused.Message, StringComparison.Ordinal);
        }

        Assert.All(await broker.DroppedAsync(new TopicNames().Interactions), records => Assert.Equal(0, records));
    }

    [Fact]
    public async Task The_broker_tells_what_it_has_dropped()
    {
        await using var broker = await BrokerProcess.StartAsync(partitions: 2);
        using var producer = RawKafka.Producer(broker.BootstrapServers);
        var topic = new TopicNames().Interactions;
        var record = new Message<byte[], byte[]> { Value = new byte[100_000] };
        for (var i = 0; i < 80; i++)
        {
            await producer.ProduceAsync(new TopicPartition(topic, 1), record, TestContext.Current.CancellationToken);
        }

        var dropped = await broker.DroppedAsync(topic);
        Assert.Equal(0, dropped[0]);
        Assert.InRange(dropped[1], 80 - (EmbeddedBroker.RetainedBytesPerPartition / 100_000), 79);
    }

    /// <summary>Brings the faults over a server under traffic, lets it come to rest and checks what is left.</summary>
    private static async Task RunAsync(Func<FaultRun, Task> bringAsync)
    {
        using var directory = new TempDirectory();
        var data = directory["data"];
        await using var broker = await BrokerProcess.StartAsync(Partitions);
        // The embedded broker takes a batch twice whose answer was lost, older lists of a user behind newer ones: consumers leave those aside.
        using var lists = new ListWatcher(broker.BootstrapServers) { ToleratesOlderLists = true };
        await using var traffic = new CrashTraffic(broker.BootstrapServers, Users, PerSecond, seed: 5);
        // It takes a batch though the one before it was refused, too, and an idempotent producer takes that for both being stored: one at a time.
        await using var server = await ServerProcess.StartAsync(
            data, broker.BootstrapServers, "Training:Mode=Off", "Kafka:GroupId=faults", "Kafka:Producer:Config:max.in.flight=1");
        var run = new FaultRun(broker, lists, server);
        await run.ListsGoOnAsync();

        await bringAsync(run);

        await run.ListsGoOnAsync();
        await traffic.StopAsync();
        traffic.ReadBack();
        var check = CrashCheck.Of(traffic);
        await lists.AllAsync(check.Sequences);
        server.Process.Terminate();
        Assert.True(await server.Process.ExitAsync() == 0, server.Process.Describe());
        check.Lists(lists);
        check.DeadLetters(broker.BootstrapServers);
        await check.NothingDroppedAsync(broker);
        await check.JournalAsync(new JournalOptions { Path = Path.Combine(data, "journal.db") }, broker.BootstrapServers, "faults", Partitions);
        Assert.Empty(check.Violations);
    }

    private sealed record FaultRun(BrokerProcess Broker, ListWatcher Lists, ServerProcess Server)
    {
        public async Task ListsGoOnAsync()
        {
            var before = Lists.Count;
            await Eventually.TrueAsync(() => Lists.Count >= before + Users, "more lists", Server.Process.Describe);
        }
    }
}

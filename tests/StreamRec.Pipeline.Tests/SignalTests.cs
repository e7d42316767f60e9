using Confluent.Kafka;

namespace StreamRec.Pipeline.Tests;

/// <summary>Processes that are stopped, continued and told to end.</summary>
public sealed class SignalTests
{
    [Fact]
    public async Task A_broker_that_was_suspended_and_continued_answers_again()
    {
        await using var broker = await BrokerProcess.StartAsync();
        using var producer = RawKafka.Producer(broker.BootstrapServers);
        // Its poll was interrupted about one time in five.
        for (var i = 0; i < 40; i++)
        {
            broker.Suspend();
            broker.Resume();
            await producer.ProduceAsync("pulse", new Message<byte[], byte[]> { Value = [1] }, TestContext.Current.CancellationToken)
                .WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task A_stop_waits_for_a_broker_that_is_away_and_finishes_what_was_taken_in()
    {
        using var directory = new TempDirectory();
        SequenceFile.Generate(directory["sequences.txt"], users: 1000, veryLong: 0, seed: 12);
        await using var broker = await BrokerProcess.StartAsync();
        await using var server = await ServerProcess.StartAsync(directory["data"], broker.BootstrapServers, "Training:Mode=Off");
        await using var replay = StreamRecProcess.Start(
            "replay", directory["sequences.txt"], "--rate", "2000", "--set", $"Kafka:BootstrapServers={broker.BootstrapServers}");
        await Eventually.TrueAsync(async () => (await server.FiguresAsync()).Lists >= 1000, "1000 lists", server.Process.Describe);

        broker.Suspend();
        server.Process.Terminate();
        // The length of the outage, longer than a process is usually granted; nothing is synchronised by it.
        await Task.Delay(TimeSpan.FromSeconds(4), TestContext.Current.CancellationToken);
        Assert.False(server.Process.HasExited, server.Process.Describe());
        broker.Resume();

        Assert.True(await server.Process.ExitAsync() == 0, server.Process.Describe());
        Assert.Empty(Directory.EnumerateFiles(directory["data"], "server.json"));
    }
}

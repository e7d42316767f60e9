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
}

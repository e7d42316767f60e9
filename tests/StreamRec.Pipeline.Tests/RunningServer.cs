using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Cli.Simulation;
using StreamRec.Kafka;
using StreamRec.Kafka.Publish;

namespace StreamRec.Pipeline.Tests;

/// <summary>One broker and one server with a model, <c>recgpt@1</c>, shared by the tests that leave the server as it is.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    private const int Interactions = 4000;

    private readonly TempDirectory _directory = new();
    private readonly Stack<Func<ValueTask>> _stop = new();

    internal string Data => _directory["data"];

    internal BrokerProcess Broker { get; private set; } = null!;

    internal ServerProcess Server { get; private set; } = null!;

    internal ListWatcher Lists { get; private set; } = null!;

    internal IProducer<byte[], byte[]> Producer { get; private set; } = null!;

    internal static TopicNames Topics { get; } = new();

    /// <summary>Runs a command on the server's data.</summary>
    internal Task<CommandResult> RunAsync(params IEnumerable<string> arguments) =>
        StreamRecProcess.RunAsync([.. arguments, "--data", Data]);

    /// <summary>Sends one click as a foreign client does.</summary>
    internal Task<DeliveryResult<byte[], byte[]>> ClickAsync(string user, string item) =>
        SendAsync(user, Encoding.UTF8.GetBytes($$"""{"user_id":"{{user}}","item_id":"{{item}}"}"""));

    /// <summary>Sends any bytes under a user's key.</summary>
    internal Task<DeliveryResult<byte[], byte[]>> SendAsync(string key, byte[]? value) => Producer.ProduceAsync(
        Topics.Interactions, new Message<byte[], byte[]> { Key = Encoding.UTF8.GetBytes(key), Value = value! },
        TestContext.Current.CancellationToken);

    public async ValueTask InitializeAsync()
    {
        try
        {
            Broker = await BrokerProcess.StartAsync();
            _stop.Push(Broker.DisposeAsync);
            Server = await ServerProcess.StartAsync(
                Data, Broker.BootstrapServers, "Training:Mode=Off", $"Training:Recipe={Recipe.Write(_directory["recipe.json"])}",
                // Which model is better is not what these tests are about, and on small data a matter of the order in which it arrives.
                "Training:MaxEpochs=15", "Training:Budget=00:00:20", "Training:MinNdcgRatio=0.5");
            _stop.Push(Server.DisposeAsync);
            Lists = new ListWatcher(Broker.BootstrapServers);
            _stop.Push(() => Sync(Lists.Dispose));
            Producer = RawKafka.Producer(Broker.BootstrapServers);
            _stop.Push(() => Sync(Producer.Dispose));
            await SimulateAsync();
            var trained = await RunAsync("train", "--json");
            Assert.True(trained.ExitCode == 0, $"{trained.Output}{trained.Errors}{Server.Process.Describe()}");
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_stop.TryPop(out var stop))
        {
            await stop();
        }

        _directory.Dispose();
    }

    private static ValueTask Sync(Action dispose)
    {
        dispose();
        return ValueTask.CompletedTask;
    }

    private async Task SimulateAsync()
    {
        var options = new KafkaOptions { BootstrapServers = Broker.BootstrapServers };
        await using var cluster = await KafkaCluster.StartAsync(
            options, TimeProvider.System, NullLogger<KafkaCluster>.Instance, TestContext.Current.CancellationToken);
        using var producer = new InteractionProducer(cluster, options, NullLogger<InteractionProducer>.Instance);
        var shop = new Shop(Recipe.Shop);
        for (var i = 0; i < Interactions; i++)
        {
            await producer.SendAsync(shop.Next(1_700_000_000_000 + i), TestContext.Current.CancellationToken);
        }

        await producer.FlushAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(
            async () => (await Server.FiguresAsync()).Interactions == Interactions, "the simulated interactions", Server.Process.Describe);
    }
}

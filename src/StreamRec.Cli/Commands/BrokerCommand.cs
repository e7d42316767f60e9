using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Kafka;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec broker</c>: the embedded broker in a process of its own, so that the server can come and go around it.</summary>
internal static class BrokerCommand
{
    public static Command Create()
    {
        var command = new Command(
            "broker",
            "Run the embedded broker alone (in memory, about 5 MiB a partition): for trying things, not for keeping data. "
            + $"Where standard input is no terminal, each of its lines is a fault to try or a question: {BrokerControl.Usage}.");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var logs = Settings.Logs(result);
            var options = Settings.Read(result).Kafka with { BootstrapServers = null };
            await using var broker = await KafkaCluster.StartAsync(
                options, TimeProvider.System, logs.CreateLogger<KafkaCluster>(), cancellationToken);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { broker.BootstrapServers });
            }
            else
            {
                Console.WriteLine($"Broker at {broker.BootstrapServers}; end it with Ctrl-C.");
                Console.WriteLine($"Use it with: streamrec serve --set Kafka:BootstrapServers={broker.BootstrapServers}");
            }

            try
            {
                // A terminal is not read: in the background of a shell that would stop the broker.
                if (Console.IsInputRedirected)
                {
                    var (answer, refuse) = Answers(Settings.AsJson(result));
                    await new BrokerControl(broker, options).RunAsync(Console.In, answer, refuse, cancellationToken);
                }

                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // Ended.
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static (Action<IReadOnlyDictionary<string, long[]>?> Answer, Action<string> Refuse) Answers(bool asJson) => asJson
        ? (dropped => Output.WriteJson(new { Ok = true, Dropped = dropped }), error => Output.WriteJson(new { Ok = false, Error = error }))
        : (WriteText, error => Console.WriteLine($"error: {error}"));

    private static void WriteText(IReadOnlyDictionary<string, long[]>? dropped)
    {
        if (dropped is null)
        {
            Console.WriteLine("ok");
            return;
        }

        foreach (var (topic, partitions) in dropped)
        {
            Console.WriteLine($"{topic}: {string.Join(' ', partitions)}");
        }
    }
}

using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Kafka;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec broker</c>: the embedded broker in a process of its own, so that the server can come and go around it.</summary>
internal static class BrokerCommand
{
    public static Command Create()
    {
        var command = new Command("broker", "Run the embedded broker alone (in memory, about 5 MiB a partition): for trying things, not for keeping data.");
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

            await Task.Delay(Timeout.Infinite, cancellationToken).ContinueWith(static _ => { }, TaskScheduler.Default);
            return ExitCode.Success;
        });
        return command;
    }
}

using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Kafka;
using StreamRec.Kafka.Publish;
using StreamRec.Server;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary>Connects a command that works with the topics: to the configured Kafka, or to that of the server that runs on the data directory.</summary>
internal static class Feed
{
    /// <exception cref="InvalidOperationException">Neither is there.</exception>
    public static async Task<(KafkaCluster Cluster, KafkaOptions Options)> ConnectAsync(
        StreamRecOptions options, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        var servers = options.Kafka.BootstrapServers ?? ServerAddress.Find(options.Server.DataDirectory)?.BootstrapServers
            ?? throw new InvalidOperationException(
                $"There is no Kafka to work with: no server runs on '{options.Server.DataDirectory}' and Kafka:BootstrapServers is not set. "
                + "Start 'streamrec serve', or add --set Kafka:BootstrapServers=host:port.");
        var kafka = options.Kafka with { BootstrapServers = servers };
        return (await KafkaCluster.StartAsync(kafka, TimeProvider.System, logs.CreateLogger<KafkaCluster>(), cancellationToken), kafka);
    }

    /// <summary>Sends interactions at a rate.</summary>
    /// <param name="producer">Where to.</param>
    /// <param name="interactions">What.</param>
    /// <param name="rate">Interactions a second; 0 = as fast as the server takes them.</param>
    /// <param name="report">Told how many were sent.</param>
    /// <param name="cancellationToken">Stops between two.</param>
    public static async Task<long> SendAsync(
        InteractionProducer producer, IEnumerable<Interaction> interactions, double rate, Action<double> report, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        var sent = 0L;
        foreach (var interaction in interactions)
        {
            if (rate > 0)
            {
                // Against the clock of the whole run, so that a pause is made up for instead of lowering the rate.
                var ahead = TimeSpan.FromSeconds(sent / rate) - time.GetElapsedTime(started);
                if (ahead > TimeSpan.FromMilliseconds(2))
                {
                    await Task.Delay(ahead, cancellationToken);
                }
            }

            await producer.SendAsync(interaction, cancellationToken);
            sent++;
            if (sent % 256 == 0)
            {
                report(sent);
            }
        }

        await producer.FlushAsync(cancellationToken);
        report(sent);
        return sent;
    }
}

using Confluent.Kafka;

namespace StreamRec.Kafka;

/// <summary>Finds out whether a broker is an embedded one, and which start of it: its marker topic says so.</summary>
internal static class LogIdentity
{
    private static readonly TimeSpan Attempt = TimeSpan.FromSeconds(2);

    /// <summary>The log's identity, or null for a real Kafka.</summary>
    /// <exception cref="KafkaException">No broker answered in time.</exception>
    public static Task<string?> FindAsync(KafkaOptions options, TimeProvider time, CancellationToken cancellationToken) =>
        // A metadata request is a blocking native call: it gets a thread of its own.
        Task.Factory.StartNew(
            () => Find(options, time, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static string? Find(KafkaOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        using var admin = new AdminClientBuilder(ClientConfig.Admin(options.BootstrapServers!, options))
            .SetLogHandler(static (_, _) => { })
            .SetErrorHandler(static (_, _) => { })
            .Build();
        var start = time.GetTimestamp();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                var marker = admin.GetMetadata(Attempt).Topics
                    .Find(t => t.Topic.StartsWith(EmbeddedBroker.MarkerPrefix, StringComparison.Ordinal));
                return marker?.Topic[EmbeddedBroker.MarkerPrefix.Length..];
            }
            catch (KafkaException e) when (time.GetElapsedTime(start) >= options.ConnectTimeout)
            {
                throw new KafkaException(new Error(
                    e.Error.Code,
                    $"Kafka:BootstrapServers is \"{options.BootstrapServers}\": no broker answered within {options.ConnectTimeout.TotalSeconds:0} s "
                    + $"({e.Error.Reason}). Check address, port and security settings, or remove the key to use the embedded broker."));
            }
            catch (KafkaException)
            {
                // Not yet reachable: try again until the time is up. An unreachable broker has already used up the attempt's two seconds.
                cancellationToken.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(100));
            }
        }
    }
}

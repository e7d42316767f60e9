using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka;

/// <summary>Creates the topics that are missing, in the way that each kind of broker understands.</summary>
public static class Topics
{
    private static readonly TimeSpan Attempt = TimeSpan.FromSeconds(5);

    /// <summary>Makes sure that all topics of <see cref="KafkaOptions.Topics"/> exist; existing ones stay as they are.</summary>
    /// <exception cref="KafkaException">A topic cannot be created or does not appear within <see cref="KafkaOptions.ConnectTimeout"/>.</exception>
    public static async Task EnsureAsync(
        KafkaCluster cluster, KafkaOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        if (cluster.Broker is { } broker)
        {
            foreach (var (name, _) in Wanted(options.Topics))
            {
                broker.CreateTopic(name, options.Partitions);
            }
        }
        else if (cluster.IsEmbedded)
        {
            await Task.Factory.StartNew(
                () => CreateByUse(cluster, options, time, logger, cancellationToken),
                cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        else
        {
            await CreateByAdminAsync(cluster, options, logger);
        }
    }

    private static (string Name, bool Compacted)[] Wanted(TopicNames topics) =>
    [
        (topics.Interactions, false), (topics.Items, true), (topics.Requests, false),
        (topics.Recommendations, false), (topics.DeadLetters, false),
    ];

    private static async Task CreateByAdminAsync(KafkaCluster cluster, KafkaOptions options, ILogger logger)
    {
        using var admin = new AdminClientBuilder(ClientConfig.Admin(cluster.BootstrapServers, options)).Build();
        var existing = admin.GetMetadata(Attempt).Topics.Select(t => t.Topic).ToHashSet(StringComparer.Ordinal);
        var missing = Wanted(options.Topics).Where(t => !existing.Contains(t.Name)).Select(t => new TopicSpecification
        {
            Name = t.Name,
            NumPartitions = options.Partitions,
            ReplicationFactor = -1,
            Configs = t.Compacted ? new Dictionary<string, string> { ["cleanup.policy"] = "compact" } : [],
        }).ToList();
        if (missing.Count == 0)
        {
            return;
        }

        try
        {
            await admin.CreateTopicsAsync(missing);
        }
        catch (CreateTopicsException e) when (e.Results.TrueForAll(r => r.Error.Code is ErrorCode.NoError or ErrorCode.TopicAlreadyExists))
        {
            // Another process of the same group was quicker.
        }

        Log.TopicsCreated(logger, string.Join(", ", missing.Select(t => t.Name)));
    }

    // The mock does not answer admin requests, but makes a topic when a client that may create topics asks for its metadata.
    private static void CreateByUse(
        KafkaCluster cluster, KafkaOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var config = ClientConfig.Consumer(cluster, options, options.GroupId + "-topics");
        config.AllowAutoCreateTopics = true;
        using var consumer = new ConsumerBuilder<Ignore, Ignore>(config).SetLogHandler(static (_, _) => { }).Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var start = time.GetTimestamp();
        foreach (var (name, _) in Wanted(options.Topics))
        {
            while (admin.GetMetadata(name, Attempt).Topics is not [{ Error.IsError: false, Partitions.Count: > 0 }])
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (time.GetElapsedTime(start) >= options.ConnectTimeout)
                {
                    throw new KafkaException(new Error(
                        ErrorCode.UnknownTopicOrPart,
                        $"Topic {name} did not appear on the embedded broker at {cluster.BootstrapServers} within {options.ConnectTimeout.TotalSeconds:0} s."));
                }

                cancellationToken.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(20));
            }
        }

        Log.TopicsCreated(logger, string.Join(", ", Wanted(options.Topics).Select(t => t.Name)));
    }
}

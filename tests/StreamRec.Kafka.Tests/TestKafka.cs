using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Kafka.Ingest;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Tests;

/// <summary>A broker of its own for one test, with its topics, and what the stage tells the host.</summary>
internal sealed class TestKafka : IAsyncDisposable
{
    private TestKafka(KafkaOptions options, EmbeddedBroker broker)
    {
        Options = options;
        Broker = broker;
        Cluster = KafkaCluster.Of(broker);
    }

    public KafkaOptions Options { get; }

    public EmbeddedBroker Broker { get; }

    public KafkaCluster Cluster { get; }

    public string Servers => Broker.BootstrapServers;

    public ConcurrentQueue<Exception> Failures { get; } = new();

    public CompletedOffsets Completed { get; } = new();

    /// <summary>The numbers of partitions that ingest has told.</summary>
    public ConcurrentQueue<int> Counted { get; } = new();

    public static async Task<TestKafka> StartAsync(KafkaOptions? options = null)
    {
        var kafka = new TestKafka(options ?? new KafkaOptions(), EmbeddedBroker.Start(new EmbeddedBrokerOptions()));
        await Topics.EnsureAsync(
            kafka.Cluster, kafka.Options, TimeProvider.System, NullLogger.Instance, TestContext.Current.CancellationToken);
        return kafka;
    }

    private Task Count(int partitions)
    {
        Counted.Enqueue(partitions);
        return Task.CompletedTask;
    }

    public DeadLetters DeadLetters() => new(Cluster, Options, TimeProvider.System, NullLogger<DeadLetters>.Instance, Failures.Enqueue);

    /// <summary>What the shards' journal would know of items.</summary>
    public Catalogue Catalogue { get; } = new();

    public RecommendationPublisher Publisher(Catalogue catalogue) =>
        new(Cluster, Options, catalogue, NullLogger<RecommendationPublisher>.Instance, Failures.Enqueue);

    public async Task<KafkaIngest> IngestAsync(FakeSink sink, IDeadLetters deadLetters, MappingOptions? mapping = null)
    {
        var ingest = new KafkaIngest(
            Cluster, Options, mapping ?? new MappingOptions(), sink, deadLetters, Completed, Count, TimeProvider.System, NullLogger<KafkaIngest>.Instance, Failures.Enqueue);
        await ingest.StartAsync(TestContext.Current.CancellationToken);
        return ingest;
    }

    public void Produce(int partition, params IEnumerable<byte[]?> values) => Raw.Produce(Servers, Options.Topics.Interactions, partition, values);

    public static IEnumerable<byte[]> Clicks(int count, int first = 0) =>
        Enumerable.Range(first, count).Select(i => System.Text.Encoding.UTF8.GetBytes($$"""{"user_id":"u{{i % 7}}","item_id":"i{{i}}"}"""));

    public ValueTask DisposeAsync() => Broker.DisposeAsync();
}

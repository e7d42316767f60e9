using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;

namespace StreamRec.Kafka.Tests;

public sealed class EmbeddedBrokerTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public void The_native_library_tells_its_version()
    {
        NativeKafka.EnsureLoaded();
        Assert.Matches(@"^\d+\.\d+\.\d+", NativeKafka.Version);
    }

    [Fact]
    public async Task Each_start_is_a_log_of_its_own()
    {
        await using var one = EmbeddedBroker.Start(new EmbeddedBrokerOptions());
        await using var two = EmbeddedBroker.Start(new EmbeddedBrokerOptions());
        Assert.NotEqual(one.LogId, two.LogId);
        Assert.NotEqual(one.BootstrapServers, two.BootstrapServers);
        Assert.Matches("^[0-9a-f]{16}$", one.LogId);
    }

    [Fact]
    public async Task A_client_that_knows_only_the_address_finds_the_logs_identity()
    {
        await using var broker = EmbeddedBroker.Start(new EmbeddedBrokerOptions());
        await using var cluster = await KafkaCluster.StartAsync(
            new KafkaOptions { BootstrapServers = broker.BootstrapServers }, TimeProvider.System, NullLogger<KafkaCluster>.Instance, Cancelled);
        Assert.Equal(broker.LogId, cluster.LogId);
        Assert.True(cluster.IsEmbedded);
        Assert.Null(cluster.Broker);
    }

    [Fact]
    public async Task On_a_broker_elsewhere_topics_come_into_being_by_use()
    {
        await using var broker = EmbeddedBroker.Start(new EmbeddedBrokerOptions());
        var options = new KafkaOptions { BootstrapServers = broker.BootstrapServers };
        await using var cluster = await KafkaCluster.StartAsync(options, TimeProvider.System, NullLogger<KafkaCluster>.Instance, Cancelled);
        using var producer = Raw.Producer(broker.BootstrapServers);
        using var admin = new DependentAdminClientBuilder(producer.Handle).Build();
        var topics = admin.GetMetadata(TimeSpan.FromSeconds(5)).Topics.Select(t => t.Topic).ToList();
        Assert.Contains(options.Topics.Interactions, topics);
        Assert.Contains(options.Topics.DeadLetters, topics);
        Assert.Contains(options.Topics.DeadLetters, topics);
    }

    [Fact]
    public async Task Without_an_address_a_broker_is_started_and_has_the_topics()
    {
        var options = new KafkaOptions { Partitions = 3 };
        await using var cluster = await KafkaCluster.StartAsync(options, TimeProvider.System, NullLogger<KafkaCluster>.Instance, Cancelled);
        using var producer = Raw.Producer(cluster.BootstrapServers);
        using var admin = new DependentAdminClientBuilder(producer.Handle).Build();
        var topic = Assert.Single(admin.GetMetadata(options.Topics.Interactions, TimeSpan.FromSeconds(5)).Topics);
        Assert.Equal(3, topic.Partitions.Count);
        cluster.Broker!.CreateTopic(options.Topics.Interactions, 3);
    }

    [Fact]
    public async Task An_address_that_does_not_answer_is_named_in_the_error()
    {
        var options = new KafkaOptions { BootstrapServers = "127.0.0.1:1", ConnectTimeout = TimeSpan.FromSeconds(1) };
        var failure = await Assert.ThrowsAsync<KafkaException>(
            () => KafkaCluster.StartAsync(options, TimeProvider.System, NullLogger<KafkaCluster>.Instance, Cancelled));
        Assert.Contains("Kafka:BootstrapServers is \"127.0.0.1:1\": no broker answered within 1 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_of_brokers_out_of_range_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => EmbeddedBroker.Start(new EmbeddedBrokerOptions { Brokers = 11 }));

    [Fact]
    public async Task Injected_produce_errors_are_survived_and_every_record_arrives_once()
    {
        await using var kafka = await TestKafka.StartAsync();
        kafka.Broker.PushRequestErrors(0, ErrorCode.NotEnoughReplicas, ErrorCode.RequestTimedOut);
        using (var deadLetters = kafka.DeadLetters())
        {
            await Task.WhenAll(Enumerable.Range(0, 20).Select(i => deadLetters.WriteAsync(DeadLettersTests.Letter([(byte)i]))));
        }

        var values = Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 20).Select(r => (int)r.Message.Value[0]);
        Assert.Equal(Enumerable.Range(0, 20), values.Order());
    }
}

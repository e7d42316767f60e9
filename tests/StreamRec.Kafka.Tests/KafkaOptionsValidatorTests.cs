using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace StreamRec.Kafka.Tests;

public sealed class KafkaOptionsValidatorTests : IAsyncDisposable
{
    private readonly EmbeddedBroker _broker = EmbeddedBroker.Start(new EmbeddedBrokerOptions());

    [Fact]
    public void Defaults_are_valid() => Assert.True(new KafkaOptionsValidator().Validate(null, new KafkaOptions()).Succeeded);

    [Theory]
    [InlineData("BatchSize", "0", "Kafka:BatchSize is 0; it must be in [1, 100000].")]
    [InlineData("Partitions", "10001", "Kafka:Partitions is 10001; it must be in [1, 10000].")]
    [InlineData("MaxRecordBytes", "1", "Kafka:MaxRecordBytes is 1; it must be in [1024, 10485760].")]
    [InlineData("PollTimeout", "00:01:00", "Kafka:PollTimeout is 00:01:00; it must be in [00:00:00.0010000, 00:00:10].")]
    [InlineData("GroupId", " ", "Kafka:GroupId is \" \"")]
    [InlineData("InstanceId", "a b", "Kafka:InstanceId is \"a b\"; it must be 1 to 249 letters")]
    [InlineData("Log", "a/b", "Kafka:Log is \"a/b\"; it must be 1 to 64 letters")]
    [InlineData("Consumer:Config:group.instance.id", "x", "Kafka:Consumer:Config:group.instance.id is \"x\"; it must be left out: ")]
    [InlineData("BootstrapServers", "", "Kafka:BootstrapServers is empty")]
    [InlineData("Topics:Items", "a b", "Kafka:Topics:Items is \"a b\"")]
    [InlineData("Topics:Items", "streamrec.requests", "Kafka:Topics: Items and Requests are all \"streamrec.requests\"")]
    [InlineData("Consumer:Config:enable.auto.commit", "true", "Kafka:Consumer:Config:enable.auto.commit is \"true\"; it must be left out: ")]
    [InlineData("Consumer:Config:enable.auto.offset.store", "true", "Kafka:Consumer:Config:enable.auto.offset.store")]
    [InlineData("Consumer:Config:auto.offset.reset", "latest", "Kafka:Consumer:Config:auto.offset.reset")]
    [InlineData("Producer:Config:acks", "1", "Kafka:Producer:Config:acks is \"1\"")]
    [InlineData("Producer:Config:enable.idempotence", "false", "Kafka:Producer:Config:enable.idempotence is \"false\"")]
    public void A_bad_setting_is_named_with_its_value_and_what_is_allowed(string key, string value, string message)
    {
        var failure = Assert.Throws<OptionsValidationException>(() => Bind(key, value));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_client_settings_pass_through_and_replace_defaults()
    {
        var options = Bind("Consumer:Config:session.timeout.ms", "12345");
        var cluster = KafkaCluster.Of(_broker);
        Assert.Equal("12345", ClientConfig.Consumer(cluster, options, "g").Get("session.timeout.ms"));
        options = Bind("Producer:Config:linger.ms", "25");
        Assert.Equal("25", ClientConfig.Producer(cluster, options).Get("linger.ms"));
    }

    [Fact]
    public void Guarantees_hold_even_for_options_that_nobody_validated()
    {
        var options = new KafkaOptions
        {
            Consumer = new KafkaClientOptions { Config = { ["enable.auto.commit"] = "true", ["auto.offset.reset"] = "latest" } },
            Producer = new KafkaClientOptions { Config = { ["acks"] = "0", ["enable.idempotence"] = "false" } },
        };
        var consumer = ClientConfig.Consumer(KafkaCluster.Of(_broker), options, "g");
        Assert.Equal(("False", "error"), (consumer.Get("enable.auto.commit"), consumer.Get("auto.offset.reset")));
        var producer = ClientConfig.Producer(KafkaCluster.Of(_broker), options);
        Assert.Equal(("-1", "True"), (producer.Get("acks"), producer.Get("enable.idempotence")));
    }

    public ValueTask DisposeAsync() => _broker.DisposeAsync();

    private static KafkaOptions Bind(string key, string value)
    {
        var options = new KafkaOptions();
        new ConfigurationBuilder().AddInMemoryCollection([new KeyValuePair<string, string?>(key, value)]).Build().Bind(options);
        var result = new KafkaOptionsValidator().Validate(null, options);
        return result.Succeeded ? options : throw new OptionsValidationException("Kafka", typeof(KafkaOptions), result.Failures);
    }
}

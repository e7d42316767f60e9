using System.Text;
using Confluent.Kafka;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Tests;

public sealed class DeadLettersTests
{
    [Fact]
    public async Task A_record_arrives_byte_for_byte_with_the_reason()
    {
        await using var kafka = await TestKafka.StartAsync();
        var random = new Random(1);
        var (key, value, header) = (new byte[300], new byte[70_000], new byte[50]);
        random.NextBytes(key);
        random.NextBytes(value);
        random.NextBytes(header);
        var letter = Letter(value, key, new Headers { { "own", header }, { "own", [] }, { "none", null } }, 1_700_000_000_123);
        using (var deadLetters = kafka.DeadLetters())
        {
            await deadLetters.WriteAsync(letter);
        }

        var record = Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 1));
        Assert.Equal(key, record.Message.Key);
        Assert.Equal(value, record.Message.Value);
        Assert.Equal(1_700_000_000_123, record.Message.Timestamp.UnixTimestampMs);
        Assert.Equal(["own", "own", "none"], record.Message.Headers.Take(3).Select(h => h.Key));
        Assert.Equal(header, record.Message.Headers[0].GetValueBytes());
        Assert.Null(record.Message.Headers[2].GetValueBytes());
        Assert.Equal("oversized", Header(record, "streamrec.error.code"));
        Assert.Equal("Too large.", Header(record, "streamrec.error.message"));
        Assert.Equal("streamrec.interactions", Header(record, "streamrec.error.topic"));
        Assert.Equal("3", Header(record, "streamrec.error.partition"));
        Assert.Equal("42", Header(record, "streamrec.error.offset"));
        Assert.True(DateTime.TryParse(Header(record, "streamrec.error.at"), out _));
        Assert.Equal("1", Header(record, "streamrec.error.attempts"));
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task Tools_for_Kafka_Connect_find_what_they_look_for()
    {
        await using var kafka = await TestKafka.StartAsync();
        using (var deadLetters = kafka.DeadLetters())
        {
            await deadLetters.WriteAsync(Letter([1, 2, 3]));
        }

        var record = Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 1));
        Assert.Equal(
            ["streamrec.interactions", "3", "42", "VALUE_CONVERTER", "Too large."],
            new[] { "topic", "partition", "offset", "stage", "exception.message" }.Select(name => Header(record, $"__connect.errors.{name}")));
    }

    [Fact]
    public async Task A_timestamp_that_the_broker_gave_is_kept()
    {
        await using var kafka = await TestKafka.StartAsync();
        var letter = Letter([1]);
        letter.Record.Message.Timestamp = new Timestamp(1_700_000_000_123, TimestampType.LogAppendTime);
        using (var deadLetters = kafka.DeadLetters())
        {
            await deadLetters.WriteAsync(letter);
        }

        Assert.Equal(1_700_000_000_123, Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 1)).Message.Timestamp.UnixTimestampMs);
    }

    [Fact]
    public async Task Absent_and_empty_bytes_stay_what_they_are()
    {
        await using var kafka = await TestKafka.StartAsync();
        using (var deadLetters = kafka.DeadLetters())
        {
            await deadLetters.WriteAsync(Letter(value: null, key: null));
            await deadLetters.WriteAsync(Letter(value: [], key: []));
        }

        var records = Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 2);
        Assert.Contains(records, r => r.Message is { Key: null, Value: null });
        Assert.Contains(records, r => r.Message is { Key.Length: 0, Value.Length: 0 });
    }

    [Fact]
    public async Task A_record_that_the_broker_finds_too_large_is_written_without_its_bytes()
    {
        await using var kafka = await TestKafka.StartAsync();
        kafka.Broker.PushRequestErrors(0, ErrorCode.MsgSizeTooLarge);
        using (var deadLetters = kafka.DeadLetters())
        {
            await deadLetters.WriteAsync(Letter([1, 2, 3]));
        }

        var record = Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 1));
        Assert.Null(record.Message.Value);
        Assert.Equal("3", Header(record, "streamrec.error.omitted-bytes"));
        Assert.Equal("42", Header(record, "streamrec.error.offset"));
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task Records_that_the_broker_finds_too_large_are_written_although_the_queue_is_full()
    {
        var options = new KafkaOptions();
        options.Producer.Config["queue.buffering.max.messages"] = "1";
        await using var kafka = await TestKafka.StartAsync(options);
        kafka.Broker.PushRequestErrors(0, ErrorCode.MsgSizeTooLarge);
        using (var deadLetters = kafka.DeadLetters())
        {
            await Task.WhenAll(deadLetters.WriteAsync(Letter([1, 2, 3])), Task.Run(() => deadLetters.WriteAsync(Letter([4])), TestContext.Current.CancellationToken))
                .WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }

        var records = Raw.Read(kafka.Servers, kafka.Options.Topics.DeadLetters, 2);
        Assert.Single(records, r => r.Message.Value is null);
        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_record_that_can_never_be_written_fails_its_task_and_tells_the_host_once()
    {
        await using var kafka = await TestKafka.StartAsync();
        kafka.Broker.PushRequestErrors(0, ErrorCode.TopicAuthorizationFailed, ErrorCode.TopicAuthorizationFailed);
        using var deadLetters = kafka.DeadLetters();
        await Assert.ThrowsAsync<KafkaException>(() => deadLetters.WriteAsync(Letter([1])));
        await Assert.ThrowsAsync<KafkaException>(() => deadLetters.WriteAsync(Letter([2])));
        var failure = Assert.Single(kafka.Failures);
        Assert.Contains("streamrec.dead-letters", failure.Message, StringComparison.Ordinal);
    }

    internal static DeadLetter Letter(byte[]? value, byte[]? key = null, Headers? headers = null, long timestamp = 1_700_000_000_000) => new(
        new ConsumeResult<byte[], byte[]>
        {
            Topic = "streamrec.interactions",
            Partition = 3,
            Offset = 42,
            Message = new Message<byte[], byte[]>
            {
                Key = key!,
                Value = value!,
                Headers = headers ?? [],
                Timestamp = new Timestamp(timestamp, TimestampType.CreateTime),
            },
        },
        "oversized",
        "Too large.");

    private static string Header(ConsumeResult<byte[], byte[]> record, string name) =>
        Encoding.UTF8.GetString(record.Message.Headers.GetLastBytes(name));
}

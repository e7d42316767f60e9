using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Kafka.Publish;

/// <summary>A record that cannot be used, as it was read, with the reason.</summary>
/// <param name="Record">The record: its bytes, headers and timestamp are passed on untouched.</param>
/// <param name="Code">Stable reason for machines.</param>
/// <param name="Message">Reason for people.</param>
public sealed record DeadLetter(ConsumeResult<byte[], byte[]> Record, string Code, string Message);

/// <summary>Where records go that cannot be used.</summary>
public interface IDeadLetters
{
    /// <summary>Completes when the record is durable in the dead-letter topic; a failure also stops the host.</summary>
    Task WriteAsync(DeadLetter letter);
}

/// <summary>Writes unusable records, byte for byte, to the dead-letter topic.</summary>
/// <remarks>
/// A record that the broker refuses for its size is written without key, value and headers: where it came from is in the
/// headers, and a record of any size must not stop the stream. Threading: any thread; blocks only while the bounded queue is full.
/// </remarks>
public sealed class DeadLetters : IDeadLetters, IDisposable
{
    internal const int MaxMessageBytes = 16 * 1024 * 1024;

    private readonly RecordProducer _producer;
    private readonly string _topic;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public DeadLetters(
        KafkaCluster cluster, KafkaOptions options, TimeProvider time, ILogger<DeadLetters> logger, Action<Exception> failed)
    {
        _topic = options.Topics.DeadLetters;
        _time = time;
        _logger = logger;
        var config = ClientConfig.Producer(cluster, options);
        // Our own limit is lower than the broker's: whatever was readable must be writable too, with the headers added.
        config.MessageMaxBytes = Math.Max(config.MessageMaxBytes ?? 0, MaxMessageBytes);
        _producer = new RecordProducer(config, _topic, logger, failed);
    }

    public Task WriteAsync(DeadLetter letter)
    {
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Failpoints.Hit(Failpoint.DeadLetterWriting);
        Produce(letter, Copy(letter), written);
        return written.Task;
    }

    public void Dispose() => _producer.Dispose();

    private void Produce(DeadLetter letter, Message<byte[], byte[]> message, TaskCompletionSource written) =>
        _producer.Produce(message, report =>
        {
            if (!report.Error.IsError)
            {
                Failpoints.Hit(Failpoint.DeadLetterWritten);
                written.SetResult();
            }
            else if (report.Error.Code is ErrorCode.MsgSizeTooLarge && message.Value is not null)
            {
                var record = letter.Record;
                Log.DeadLetterWithoutBytes(
                    _logger, $"{record.Topic}[{record.Partition.Value}]", record.Offset.Value, record.Message.Value?.LongLength ?? 0);
                // Not on this thread: it is the one that makes room in a full queue, and would wait for itself.
                Task.Run(() => Produce(letter, WithoutBytes(letter), written));
            }
            else
            {
                written.SetException(_producer.Fail(report.Error));
            }
        });

    private Message<byte[], byte[]> Copy(DeadLetter letter)
    {
        var record = letter.Record.Message;
        var headers = new Headers();
        foreach (var header in record.Headers ?? [])
        {
            // A replayed record says how often it has failed; the letter says it anew.
            if (header.Key != ErrorHeaders.Attempts)
            {
                headers.Add(header.Key, header.GetValueBytes());
            }
        }

        ErrorHeaders.Write(headers, letter, _time.GetUtcNow());
        return new Message<byte[], byte[]> { Key = record.Key, Value = record.Value, Headers = headers, Timestamp = TimeOf(record) };
    }

    private Message<byte[], byte[]> WithoutBytes(DeadLetter letter)
    {
        var headers = new Headers();
        ErrorHeaders.Write(headers, letter, _time.GetUtcNow());
        ErrorHeaders.Add(headers, ErrorHeaders.OmittedBytes, ErrorHeaders.Text(letter.Record.Message.Value.LongLength));
        return new Message<byte[], byte[]> { Key = null!, Value = null!, Headers = headers, Timestamp = TimeOf(letter.Record.Message) };
    }

    // The client refuses to send a timestamp that a broker has given; the moment is what counts.
    private static Timestamp TimeOf(Message<byte[], byte[]> record) => new(record.Timestamp.UnixTimestampMs, TimestampType.CreateTime);
}

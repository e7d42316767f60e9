using System.Diagnostics.Metrics;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka.Publish;

/// <summary>An idempotent producer for one topic: bounded queue, back-pressure when it is full, and a fatal error told once.</summary>
/// <remarks>Threading: any thread; records of one caller keep their order.</remarks>
internal sealed class RecordProducer : IDisposable
{
    private static readonly TimeSpan FullQueueWait = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan FlushTimeout = TimeSpan.FromSeconds(10);

    private readonly IProducer<byte[], byte[]> _producer;
    private readonly string _topic;
    private readonly ILogger _logger;
    private readonly Action<Exception> _failed;
    private readonly Meter _meter = new("StreamRec.Kafka");
    private readonly Counter<long> _published;
    private readonly Counter<long> _queueFull;
    private readonly KeyValuePair<string, object?> _topicTag;
    private int _hasFailed;

    public RecordProducer(ProducerConfig config, string topic, ILogger logger, Action<Exception> failed)
    {
        NativeKafka.EnsureLoaded();
        _topic = topic;
        _logger = logger;
        _failed = failed;
        _topicTag = new KeyValuePair<string, object?>("topic", topic);
        _published = _meter.CreateCounter<long>("streamrec.kafka.published", "{record}", "Records acknowledged by the broker");
        _queueFull = _meter.CreateCounter<long>("streamrec.kafka.queue_full", "{wait}", "Waits because the producer's queue was full");
        _producer = new ProducerBuilder<byte[], byte[]>(config)
            .SetLogHandler((_, message) => Log.Native(logger, message.Facility, message.Message))
            .SetErrorHandler((_, error) => OnError(error))
            .Build();
    }

    /// <summary>Queues a record; blocks only while the queue is full. The handler runs on the producer's own thread and must not block.</summary>
    public void Produce(Message<byte[], byte[]> message, Action<DeliveryReport<byte[], byte[]>> delivered) => Produce(message, Partition.Any, delivered);

    /// <summary>The same to a partition, whatever the key says.</summary>
    public void Produce(Message<byte[], byte[]> message, Partition partition, Action<DeliveryReport<byte[], byte[]>> delivered)
    {
        var target = new TopicPartition(_topic, partition);
        while (true)
        {
            try
            {
                _producer.Produce(target, message, report =>
                {
                    if (!report.Error.IsError)
                    {
                        _published.Add(1, _topicTag);
                    }

                    delivered(report);
                });
                return;
            }
            catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
            {
                // Reports are served by the client's own thread; there is nothing to poll, only room to wait for.
                _queueFull.Add(1, _topicTag);
                Thread.Sleep(FullQueueWait);
            }
            catch (ProduceException<byte[], byte[]> e)
            {
                delivered(new DeliveryReport<byte[], byte[]> { Error = e.Error, Message = message, Topic = _topic });
                return;
            }
        }
    }

    /// <summary>Tells the host, once, that a record is lost to the topic: only a restart, which repeats the work, can mend it.</summary>
    public KafkaException Fail(Error error)
    {
        var exception = new KafkaException(new Error(error.Code, $"Publishing to {_topic} failed for good: {error.Reason} ({error.Code})."));
        if (Interlocked.Exchange(ref _hasFailed, 1) == 0)
        {
            Log.PublishFailed(_logger, _topic, error.Reason);
            _failed(exception);
        }

        return exception;
    }

    public void Dispose()
    {
        var left = _producer.Flush(FlushTimeout);
        if (left > 0)
        {
            Log.FlushIncomplete(_logger, left, _topic);
        }

        _producer.Dispose();
        _meter.Dispose();
    }

    private void OnError(Error error)
    {
        if (error.IsFatal)
        {
            Fail(error);
        }
        else
        {
            Log.ClientError(_logger, error.Reason, error.Code.ToString());
        }
    }
}

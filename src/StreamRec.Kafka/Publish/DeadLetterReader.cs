using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka.Publish;

/// <summary>Reads what the dead-letter topic holds at the time it is opened; in no group, and it commits nothing.</summary>
/// <remarks>Partition after partition, so that letters of one key come in the order in which they were written. Every call blocks. Threading: one thread.</remarks>
public sealed class DeadLetterReader : IDisposable
{
    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly KafkaOptions _options;
    private readonly ILogger _logger;
    private readonly List<(TopicPartition Partition, long Low, long High)> _partitions = [];

    /// <exception cref="KafkaException">The broker does not answer within <see cref="KafkaOptions.ConnectTimeout"/>, or has no such topic.</exception>
    public DeadLetterReader(KafkaCluster cluster, KafkaOptions options, ILogger<DeadLetterReader> logger)
    {
        _options = options;
        _logger = logger;
        // The client insists on a group id. Letters that retention takes away meanwhile are not missed.
        _consumer = new ConsumerBuilder<byte[], byte[]>(
                ClientConfig.Consumer(cluster, options, options.GroupId + "-dead-letters", AutoOffsetReset.Earliest, partitionEof: true))
            .SetLogHandler((_, message) => Log.Native(logger, message.Facility, message.Message))
            .SetErrorHandler((_, error) => Log.ClientError(logger, error.Reason, error.Code.ToString()))
            .Build();
        try
        {
            using var admin = new DependentAdminClientBuilder(_consumer.Handle).Build();
            var topic = admin.GetMetadata(options.Topics.DeadLetters, options.ConnectTimeout).Topics.Single();
            if (topic.Error.IsError)
            {
                throw new KafkaException(new Error(topic.Error.Code, $"The topic {topic.Topic} cannot be read: {topic.Error.Reason}."));
            }

            foreach (var partition in topic.Partitions.Select(p => new TopicPartition(topic.Topic, p.PartitionId)).OrderBy(p => p.Partition.Value))
            {
                var log = _consumer.QueryWatermarkOffsets(partition, options.ConnectTimeout);
                _partitions.Add((partition, log.Low.Value, log.High.Value));
            }
        }
        catch
        {
            _consumer.Dispose();
            throw;
        }
    }

    /// <summary>Letters that the topic holds, at the most: compaction and transactions leave holes.</summary>
    public long Count => _partitions.Sum(p => p.High - p.Low);

    /// <summary>All letters, or those from a place on: the rest of its partition, then the partitions behind it.</summary>
    /// <exception cref="KafkaException">The broker does not answer any more.</exception>
    public IEnumerable<StoredLetter> Read(LetterPosition? from, CancellationToken cancellationToken)
    {
        foreach (var (partition, low, high) in _partitions)
        {
            var start = from is { } place && place.Partition == partition.Partition.Value ? Math.Max(low, place.Offset) : low;
            if (start >= high || from?.Partition > partition.Partition.Value)
            {
                continue;
            }

            _consumer.Assign(new TopicPartitionOffset(partition, start));
            while (Next(partition, cancellationToken) is { } record && record.Offset.Value < high)
            {
                yield return Letter(record);
                if (record.Offset.Value + 1 >= high)
                {
                    break;
                }
            }
        }
    }

    /// <summary>One letter.</summary>
    /// <exception cref="ArgumentException">There is none at this place; the message says what there is.</exception>
    public StoredLetter Find(LetterPosition place, CancellationToken cancellationToken) =>
        Read(place, cancellationToken).FirstOrDefault() is { } letter && letter.Position == place
            ? letter
            : throw new ArgumentException(
                $"There is no letter at {place}; {_options.Topics.DeadLetters} has "
                + $"{string.Join(", ", _partitions.Select(p => p.High > p.Low ? $"{p.Partition.Partition.Value}:{p.Low} to {p.Partition.Partition.Value}:{p.High - 1}" : $"none in {p.Partition.Partition.Value}"))}.");

    public void Dispose() => _consumer.Dispose();

    // Null at the end of the partition.
    private ConsumeResult<byte[], byte[]>? Next(TopicPartition partition, CancellationToken cancellationToken)
    {
        var asked = TimeProvider.System.GetTimestamp();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                if (_consumer.Consume(_options.PollTimeout) is { } record)
                {
                    return record.IsPartitionEOF ? null : record;
                }
            }
            catch (ConsumeException e) when (!e.Error.IsFatal && !ClientConfig.NeverHeals(e.Error.Code))
            {
                Log.ClientError(_logger, e.Error.Reason, e.Error.Code.ToString());
            }

            if (TimeProvider.System.GetElapsedTime(asked) >= _options.ConnectTimeout)
            {
                throw new KafkaException(new Error(
                    ErrorCode.Local_TimedOut, $"{partition.Topic}[{partition.Partition.Value}] gave nothing more within {_options.ConnectTimeout.TotalSeconds:0} s."));
            }
        }
    }

    private static StoredLetter Letter(ConsumeResult<byte[], byte[]> record) => new(
        new LetterPosition(record.Partition.Value, record.Offset.Value),
        record.Message.Key,
        record.Message.Value,
        [.. (record.Message.Headers ?? []).Select(h => new RecordHeader(h.Key, h.GetValueBytes()))],
        record.Message.Timestamp.UnixTimestampMs);
}

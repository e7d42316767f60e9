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
            foreach (var partition in _consumer.Partitions(options.Topics.DeadLetters, options))
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
            while (_consumer.Next(partition, _options, _logger, cancellationToken) is { } record && record.Offset.Value < high)
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

    private static StoredLetter Letter(ConsumeResult<byte[], byte[]> record) => new(
        new LetterPosition(record.Partition.Value, record.Offset.Value),
        record.Message.Key,
        record.Message.Value,
        [.. (record.Message.Headers ?? []).Select(h => new RecordHeader(h.Key, h.GetValueBytes()))],
        record.Message.Timestamp.UnixTimestampMs);
}

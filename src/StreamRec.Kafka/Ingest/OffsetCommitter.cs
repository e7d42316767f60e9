using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>Commits completed offsets to Kafka as a hint for lag tools: the journal decides where a restart begins, so a failure is only counted.</summary>
/// <remarks>
/// A commit waits for the broker, and polling must not: it runs on the thread pool, one at a time.
/// Threading: <see cref="TryStart"/> and <see cref="Finish"/> from the consumer thread.
/// </remarks>
internal sealed class OffsetCommitter
{
    private readonly ILogger _logger;
    private Task _running = Task.CompletedTask;
    private long _failures;

    public OffsetCommitter(ILogger logger)
    {
        _logger = logger;
    }

    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Starts a commit unless one is under way.</summary>
    public bool TryStart(IConsumer<byte[], byte[]> consumer, IReadOnlyList<TopicPartitionOffset> offsets)
    {
        if (!_running.IsCompleted || offsets.Count == 0)
        {
            return false;
        }

        _running = Task.Run(() =>
        {
            Failpoints.Hit(Failpoint.OffsetsCommitting);
            if (Commit(consumer, offsets) is { } failure)
            {
                Log.CommitFailed(_logger, failure, Interlocked.Increment(ref _failures));
            }

            Failpoints.Hit(Failpoint.OffsetsCommitted);
        });
        return true;
    }

    /// <summary>Commits and waits for the broker; why that failed, null when it did not. From any thread.</summary>
    public static Exception? Commit(IConsumer<byte[], byte[]> consumer, IReadOnlyList<TopicPartitionOffset> offsets)
    {
        try
        {
            consumer.Commit(offsets);
            return null;
        }
        catch (Exception e) when (e is KafkaException or ObjectDisposedException)
        {
            return e;
        }
    }

    /// <summary>Commits a last time before partitions are given up, within the time given.</summary>
    public void Finish(IConsumer<byte[], byte[]> consumer, IReadOnlyList<TopicPartitionOffset> offsets, TimeSpan timeout)
    {
        // Waiting is right here: the caller is the consumer's thread, inside the rebalance that must not end before.
        if (Task.WaitAny([_running], timeout) == 0 && TryStart(consumer, offsets))
        {
            Task.WaitAny([_running], timeout);
        }
    }
}

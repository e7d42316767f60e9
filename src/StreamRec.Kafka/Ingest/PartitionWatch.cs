using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka.Ingest;

/// <summary>Asks now and then how many partitions the topic has: somebody may have added some.</summary>
/// <remarks>Threading: <see cref="Tick"/> from the consumer thread; the answer is told on the thread pool, one at a time.</remarks>
internal sealed class PartitionWatch
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly string _topic;
    private readonly Func<int, Task> _counted;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private Task _asking = Task.CompletedTask;
    private long? _askedAt;
    private int _known;

    /// <param name="topic">The topic.</param>
    /// <param name="counted">Told the first number and each that is another one.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    public PartitionWatch(string topic, Func<int, Task> counted, TimeProvider time, ILogger logger)
    {
        _topic = topic;
        _counted = counted;
        _time = time;
        _logger = logger;
    }

    /// <summary>Asks when it is time to.</summary>
    /// <param name="ask">Returns the topic's number of partitions; blocks, on the thread pool.</param>
    /// <returns>Completes with the answer that is waited for.</returns>
    public Task Tick(Func<int> ask)
    {
        if (_asking.IsCompleted && (_askedAt is not { } at || _time.GetElapsedTime(at) >= Interval))
        {
            _askedAt = _time.GetTimestamp();
            _asking = Task.Run(() => AskAsync(ask));
        }

        return _asking;
    }

    /// <summary>The number of partitions by a client's metadata.</summary>
    public int Count(Handle client)
    {
        using var admin = new DependentAdminClientBuilder(client).Build();
        return admin.GetMetadata(_topic, Timeout).Topics.Single().Partitions.Count;
    }

    private async Task AskAsync(Func<int> ask)
    {
        try
        {
            // None at all is the answer about a topic that has just been deleted.
            if (ask() is > 0 and var count && count != _known)
            {
                _known = count;
                await _counted(count);
            }
        }
        catch (Exception exception) when (exception is KafkaException or ObjectDisposedException)
        {
            // Not answered now, or the reader has ended: the next time will do.
            Log.PartitionsUnknown(_logger, _topic, exception.Message);
        }
    }
}

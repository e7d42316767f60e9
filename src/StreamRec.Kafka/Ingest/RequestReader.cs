using Confluent.Kafka;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Ingest;

/// <summary>Somebody asks for a user's list now.</summary>
/// <param name="RequestId">Comes back as the list's cause.</param>
/// <param name="UserId">The user.</param>
/// <param name="K">Items wanted, in [1, 1000].</param>
/// <param name="Exclude">Ids of items that must not be in the list, at most 1000.</param>
/// <param name="TraceParent">The record's W3C <c>traceparent</c>, or null.</param>
public sealed record RecommendationRequest(
    string RequestId, string UserId, int K, IReadOnlyList<string> Exclude, string? TraceParent);

/// <summary>Reads the requests topic in the group <c>&lt;GroupId&gt;-requests</c> and hands each request over.</summary>
/// <remarks>
/// At-least-once up to the hand-over: an offset is committed after its request was handed over, so a crash in between repeats it; a
/// request that waits inside when the process is killed is not answered, and whoever sent it asks again. Threading: the
/// callback runs on the reader's thread, one at a time; reading waits for it.
/// </remarks>
public sealed class RequestReader : IHostedService, IDisposable
{
    private static readonly TimeSpan CommitInterval = TimeSpan.FromSeconds(1);

    // Longer than a busy broker takes: what is not committed is answered a second time.
    private static readonly TimeSpan LastCommitTimeout = TimeSpan.FromSeconds(3);

    private readonly KafkaCluster _cluster;
    private readonly KafkaOptions _options;
    private readonly Func<RecommendationRequest, CancellationToken, ValueTask> _handle;
    private readonly IDeadLetters _deadLetters;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action<Exception> _failed;
    private readonly ConsumerThread _thread;
    private readonly OffsetCommitter _committer;
    private readonly Dictionary<TopicPartition, TopicPartitionOffset> _handled = [];
    private readonly List<Task> _deadLettered = [];
    private long _lastCommit;
    private bool _uncommitted;

    /// <param name="cluster">The Kafka to read from.</param>
    /// <param name="options">Valid settings.</param>
    /// <param name="handle">Takes a request; reading goes on when it has returned.</param>
    /// <param name="deadLetters">Where unusable records go.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    /// <param name="failed">Told when reading cannot go on; the host must stop.</param>
    public RequestReader(
        KafkaCluster cluster,
        KafkaOptions options,
        Func<RecommendationRequest, CancellationToken, ValueTask> handle,
        IDeadLetters deadLetters,
        TimeProvider time,
        ILogger<RequestReader> logger,
        Action<Exception> failed)
    {
        _cluster = cluster;
        _options = options;
        _handle = handle;
        _deadLetters = deadLetters;
        _time = time;
        _logger = logger;
        _failed = failed;
        _committer = new OffsetCommitter(logger);
        _thread = new ConsumerThread("kafka-requests", Run);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        NativeKafka.EnsureLoaded();
        _thread.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => _thread.StopAsync(cancellationToken);

    public void Dispose() => _thread.Dispose();

    private void Run(CancellationToken stopping)
    {
        try
        {
            // A request that waited is still worth an answer; one that expired is not worth an alarm.
            var config = ClientConfig.Consumer(_cluster, _options, _options.GroupId + "-requests", AutoOffsetReset.Earliest);
            using var consumer = new ConsumerBuilder<byte[], byte[]>(config)
                .SetLogHandler((_, message) => Log.Native(_logger, message.Facility, message.Message))
                .SetErrorHandler((_, error) => Log.ClientError(_logger, error.Reason, error.Code.ToString()))
                .SetPartitionsRevokedHandler((c, _) => Commit((IConsumer<byte[], byte[]>)c, last: true))
                .SetPartitionsLostHandler((_, _) => _handled.Clear())
                .Build();
            try
            {
                consumer.Subscribe(_options.Topics.Requests);
                while (!stopping.IsCancellationRequested)
                {
                    Turn(consumer, stopping);
                }
            }
            finally
            {
                consumer.Close();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The callback was interrupted by the stop: its request was not handed over and is read again.
        }
        catch (Exception e)
        {
            Log.ReaderFailed(_logger, e, _options.Topics.Requests);
            _failed(e);
        }
    }

    private void Turn(IConsumer<byte[], byte[]> consumer, CancellationToken stopping)
    {
        if (Poll(consumer) is { } record)
        {
            Handle(record, stopping);
            _handled[record.TopicPartition] = new TopicPartitionOffset(record.TopicPartition, record.Offset + 1);
            _uncommitted = true;
        }

        if (_time.GetElapsedTime(_lastCommit) >= CommitInterval)
        {
            _lastCommit = _time.GetTimestamp();
            Commit(consumer, last: false);
        }
    }

    private ConsumeResult<byte[], byte[]>? Poll(IConsumer<byte[], byte[]> consumer)
    {
        try
        {
            return consumer.Consume(_options.PollTimeout);
        }
        catch (ConsumeException e) when (!e.Error.IsFatal && !ClientConfig.NeverHeals(e.Error.Code))
        {
            Log.ClientError(_logger, e.Error.Reason, e.Error.Code.ToString());
            return null;
        }
    }

    private void Handle(ConsumeResult<byte[], byte[]> record, CancellationToken stopping)
    {
        var traceParent = RecordHeaders.Read(record.Message.Headers).TraceParent;
        var error = RequestDecoder.Decode(record.Message.Value, traceParent, _options.MaxRecordBytes, out var request);
        if (error is null)
        {
            // This thread has nothing else to do: waiting here is the back-pressure.
            _handle(request!, stopping).AsTask().GetAwaiter().GetResult();
        }
        else
        {
            _deadLettered.Add(_deadLetters.WriteAsync(new DeadLetter(record, error.Code, error.Message)));
            if (_deadLettered.Count >= _options.BatchSize)
            {
                // Nothing but unusable requests: reading goes on at the pace at which they are written. A failure is told to the host by the dead letters.
                Task.WhenAll(_deadLettered).ContinueWith(static _ => { }, TaskScheduler.Default).Wait(stopping);
                _deadLettered.RemoveAll(t => t.IsCompletedSuccessfully);
            }
        }
    }

    // Nothing is committed past a dead letter that is not durable yet; the next second tries again.
    private void Commit(IConsumer<byte[], byte[]> consumer, bool last)
    {
        if (last)
        {
            Task.WhenAll(_deadLettered).ContinueWith(static _ => { }, TaskScheduler.Default).Wait(LastCommitTimeout);
        }

        _deadLettered.RemoveAll(t => t.IsCompletedSuccessfully);
        if (_deadLettered.Count > 0)
        {
            return;
        }

        if (last)
        {
            // All of them, also those that a commit was started for: whether that one succeeded nobody knows.
            _committer.Finish(consumer, [.. _handled.Values], LastCommitTimeout);
            _handled.Clear();
        }
        else if (_uncommitted && _committer.TryStart(consumer, [.. _handled.Values]))
        {
            _uncommitted = false;
        }
    }
}

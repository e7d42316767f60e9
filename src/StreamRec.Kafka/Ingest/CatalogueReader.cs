using Confluent.Kafka;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Ingest;

/// <summary>What the items topic says of one item.</summary>
/// <param name="ItemId">The item.</param>
/// <param name="Title">For people, or null.</param>
/// <param name="Categories">For people, separated by commas, or null.</param>
/// <param name="Available">False: withdrawn, by its record or by a tombstone.</param>
public sealed record CatalogueChange(string ItemId, string? Title, string? Categories, bool Available);

/// <summary>Reads the compacted items topic from its beginning, on every start, and follows it.</summary>
/// <remarks>
/// Without a group: each process reads all partitions. Changes of one item arrive in order; the newest counts. A malformed record
/// is dead-lettered again on each start until it is compacted away. Threading: the callback runs on the reader's thread, one batch at a time.
/// </remarks>
public sealed class CatalogueReader : IHostedService, IDisposable
{
    private static readonly TimeSpan MetadataTimeout = TimeSpan.FromSeconds(5);

    private readonly KafkaCluster _cluster;
    private readonly KafkaOptions _options;
    private readonly Func<IReadOnlyList<CatalogueChange>, CancellationToken, ValueTask> _apply;
    private readonly IDeadLetters _deadLetters;
    private readonly ILogger _logger;
    private readonly Action<Exception> _failed;
    private readonly ConsumerThread _thread;
    private readonly TaskCompletionSource _caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="cluster">The Kafka to read from.</param>
    /// <param name="options">Valid settings.</param>
    /// <param name="apply">Takes the changes, in order; reading goes on when it has returned.</param>
    /// <param name="deadLetters">Where unusable records go.</param>
    /// <param name="logger">The log.</param>
    /// <param name="failed">Told when reading cannot go on; the host must stop.</param>
    public CatalogueReader(
        KafkaCluster cluster,
        KafkaOptions options,
        Func<IReadOnlyList<CatalogueChange>, CancellationToken, ValueTask> apply,
        IDeadLetters deadLetters,
        ILogger<CatalogueReader> logger,
        Action<Exception> failed)
    {
        _cluster = cluster;
        _options = options;
        _apply = apply;
        _deadLetters = deadLetters;
        _logger = logger;
        _failed = failed;
        _thread = new ConsumerThread("kafka-catalogue", Run);
    }

    /// <summary>Completes when everything that was in the topic at the start has been applied.</summary>
    public Task CaughtUp => _caughtUp.Task;

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
            // The client insists on a group id; nothing is ever committed or joined under it. What the log dropped is not missed here:
            // only the newest record of an item counts.
            var config = ClientConfig.Consumer(
                _cluster, _options, _options.GroupId + "-catalogue", AutoOffsetReset.Earliest, partitionEof: true);
            using var consumer = new ConsumerBuilder<byte[], byte[]>(config)
                .SetLogHandler((_, message) => Log.Native(_logger, message.Facility, message.Message))
                .SetErrorHandler((_, error) => Log.ClientError(_logger, error.Reason, error.Code.ToString()))
                .Build();
            var unfinished = Assign(consumer, stopping);
            while (!stopping.IsCancellationRequested)
            {
                Turn(consumer, unfinished, stopping);
            }

            consumer.Close();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The wait for metadata, or the callback, was interrupted by the stop.
        }
        catch (Exception e)
        {
            Log.ReaderFailed(_logger, e, _options.Topics.Items);
            _caughtUp.TrySetException(e);
            _failed(e);
        }
    }

    private HashSet<int> Assign(IConsumer<byte[], byte[]> consumer, CancellationToken stopping)
    {
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        while (true)
        {
            stopping.ThrowIfCancellationRequested();
            try
            {
                if (admin.GetMetadata(_options.Topics.Items, MetadataTimeout).Topics is [{ Error.IsError: false } topic])
                {
                    consumer.Assign(topic.Partitions.Select(p => new TopicPartitionOffset(topic.Topic, p.PartitionId, Offset.Beginning)));
                    return [.. topic.Partitions.Select(p => p.PartitionId)];
                }
            }
            catch (KafkaException e) when (!e.Error.IsFatal)
            {
                Log.ClientError(_logger, e.Error.Reason, e.Error.Code.ToString());
            }

            stopping.WaitHandle.WaitOne(_options.PollTimeout);
        }
    }

    private void Turn(IConsumer<byte[], byte[]> consumer, HashSet<int> unfinished, CancellationToken stopping)
    {
        var changes = new List<CatalogueChange>();
        var reachedEnd = new List<int>();
        var record = Poll(consumer, _options.PollTimeout);
        while (record is not null)
        {
            if (record.IsPartitionEOF)
            {
                reachedEnd.Add(record.Partition.Value);
            }
            else
            {
                Read(record, changes);
            }

            record = changes.Count < _options.BatchSize ? Poll(consumer, TimeSpan.Zero) : null;
        }

        if (changes.Count > 0)
        {
            // This thread has nothing else to do: waiting here is the back-pressure.
            _apply(changes, stopping).AsTask().GetAwaiter().GetResult();
        }

        unfinished.ExceptWith(reachedEnd);
        if (unfinished.Count == 0)
        {
            _caughtUp.TrySetResult();
        }
    }

    private ConsumeResult<byte[], byte[]>? Poll(IConsumer<byte[], byte[]> consumer, TimeSpan timeout)
    {
        try
        {
            return consumer.Consume(timeout);
        }
        catch (ConsumeException e) when (!e.Error.IsFatal && !ClientConfig.NeverHeals(e.Error.Code))
        {
            Log.ClientError(_logger, e.Error.Reason, e.Error.Code.ToString());
            return null;
        }
    }

    private void Read(ConsumeResult<byte[], byte[]> record, List<CatalogueChange> changes)
    {
        var error = CatalogueDecoder.Decode(record.Message.Key, record.Message.Value, _options.MaxRecordBytes, out var change);
        if (error is null)
        {
            changes.Add(change!);
        }
        else
        {
            // Its outcome matters to nobody here: a failure stops the host through the dead letters' own callback.
            _ = _deadLetters.WriteAsync(new DeadLetter(record, error.Code, error.Message));
        }
    }
}

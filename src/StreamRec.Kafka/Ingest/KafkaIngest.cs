using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Confluent.Kafka;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Ingest;

/// <summary>Reads the interactions topic, decodes, and hands batches to the shards of the partitions that this process owns.</summary>
/// <remarks>
/// Invariants: a partition is read from the offset that its shard asked for; batches join without a hole; a batch that is refused grows to
/// its full size, is then kept, its partition paused, and delivered before anything later; nothing is committed that was not completed. Outside a rebalance polling
/// never waits for a shard, so the group membership is kept under overload. Memory: one batch being filled and one refused per partition, the
/// records of one read, and what librdkafka fetches ahead (<c>queued.max.messages.kbytes</c>). Threading: everything runs on the consumer's thread, status from any.
/// </remarks>
public sealed partial class KafkaIngest : IHostedService, IDisposable
{
    private static readonly TimeSpan CommitInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(2);

    // Pausing throws away what the client has fetched ahead, so a shard that is full for a moment is waited for instead.
    private static readonly TimeSpan RefusalGrace = TimeSpan.FromMilliseconds(10);

    private readonly KafkaCluster _cluster;
    private readonly KafkaOptions _options;
    private readonly IInteractionSink _sink;
    private readonly IDeadLetters _deadLetters;
    private readonly CompletedOffsets _completed;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action<Exception> _failed;
    private readonly ConsumerThread _thread;
    private readonly InteractionDecoder _decoder;
    private readonly OffsetCommitter _committer;
    private readonly PartitionWatch _watch;
    private readonly Meter _meter = new("StreamRec.Kafka");
    private readonly Counter<long> _consumedCounter;
    private readonly Counter<long> _deadLetteredCounter;
    private readonly Counter<long> _filteredCounter;
    private readonly ConcurrentDictionary<int, Partition> _partitions = new();
    private readonly ConcurrentDictionary<string, long> _deadLettered = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _filtered = new(StringComparer.Ordinal);
    private long _consumed;
    private int _refused;
    private int _sinceDelivery;
    private bool _rebalanced;
    private long _lastTick;
    private Exception? _failure;

    /// <param name="cluster">The Kafka to read from.</param>
    /// <param name="options">Valid settings.</param>
    /// <param name="mapping">Valid settings of where a record's fields are.</param>
    /// <param name="sink">The shards.</param>
    /// <param name="deadLetters">Where unusable records go.</param>
    /// <param name="completed">Where the shards tell what is finished.</param>
    /// <param name="counted">Told how many partitions the topic has, first and whenever that changes, from the thread pool; must not fail.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    /// <param name="failed">Told when reading cannot go on, from the consumer's thread: a fatal client error, a shard that cannot open. The host must stop.</param>
    public KafkaIngest(
        KafkaCluster cluster,
        KafkaOptions options,
        MappingOptions mapping,
        IInteractionSink sink,
        IDeadLetters deadLetters,
        CompletedOffsets completed,
        Func<int, Task> counted,
        TimeProvider time,
        ILogger<KafkaIngest> logger,
        Action<Exception> failed)
    {
        _cluster = cluster;
        _options = options;
        _sink = sink;
        _deadLetters = deadLetters;
        _completed = completed;
        _time = time;
        _logger = logger;
        _failed = failed;
        _decoder = new InteractionDecoder(options.MaxRecordBytes, mapping, time);
        _committer = new OffsetCommitter(logger);
        _watch = new PartitionWatch(options.Topics.Interactions, counted, time, logger);
        _thread = new ConsumerThread("kafka-ingest", Run);
        _consumedCounter = _meter.CreateCounter<long>("streamrec.kafka.consumed", "{record}", "Interaction records read");
        _deadLetteredCounter = _meter.CreateCounter<long>("streamrec.kafka.dead_lettered", "{record}", "Interaction records that cannot be used");
        _filteredCounter = _meter.CreateCounter<long>("streamrec.kafka.filtered", "{record}", "Interaction records that a setting leaves out");
        _meter.CreateObservableCounter("streamrec.kafka.commit_failures", () => _committer.Failures, "{commit}", "Offset commits that failed");
        _meter.CreateObservableGauge(
            "streamrec.kafka.paused", () => _partitions.Values.Count(p => p.Refused is not null), "{partition}", "Partitions whose shard is full");
        _meter.CreateObservableGauge(
            "streamrec.kafka.gaps", () => _partitions.Values.Count(p => p.Gap is not null), "{partition}", "Partitions that stand still because records are gone");
        _meter.CreateObservableGauge("streamrec.kafka.lag", Lags, "{record}", "Records not read yet");
    }

    /// <summary>Where ingest stands. From any thread.</summary>
    public IngestStatus Status => new(
        Interlocked.Read(ref _consumed),
        new Dictionary<string, long>(_deadLettered, StringComparer.Ordinal),
        new Dictionary<string, long>(_filtered, StringComparer.Ordinal),
        _decoder.UnmatchedTypes,
        _committer.Failures,
        [.. _partitions.Values.OrderBy(p => p.Source.Partition).Select(p => new PartitionStatus(
            p.Source, p.NextOffset, _completed.Of(p.Source), p.LogEnd < 0 ? null : Math.Max(0, p.LogEnd - p.NextOffset), p.Refused is not null, p.Gap))]);

    /// <summary>
    /// Goes on without the records that a gap has taken, once they are written off for good. Nothing happens when the gap is not there any more,
    /// or has become another one. From any thread.
    /// </summary>
    public void AcceptGap(LogGap gap)
    {
        if (gap.CanBeAccepted && _partitions.TryGetValue(gap.Source.Partition, out var partition))
        {
            partition.AcceptGap(gap);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        NativeKafka.EnsureLoaded();
        _thread.Start();
        return Task.CompletedTask;
    }

    /// <summary>Stops reading, lets the shards finish and close, commits what is completed and leaves the group.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _thread.StopAsync(cancellationToken);

    public void Dispose()
    {
        _thread.Dispose();
        _meter.Dispose();
    }

    private void Run(CancellationToken stopping)
    {
        try
        {
            var config = ClientConfig.Consumer(_cluster, _options, _options.GroupId);
            config.GroupInstanceId = _options.InstanceId;
            using var consumer = new ConsumerBuilder<byte[], byte[]>(config)
                .SetLogHandler((_, message) => Log.Native(_logger, message.Facility, message.Message))
                .SetErrorHandler((_, error) => OnClientError(error))
                .SetPartitionsAssignedHandler((c, assigned) => OnAssigned(c, assigned, stopping))
                .SetPartitionsRevokedHandler((c, revoked) => OnRevoked(c, revoked.Select(r => r.Partition), commit: true))
                .SetPartitionsLostHandler((c, lost) => OnRevoked(c, lost.Select(l => l.Partition), commit: false))
                .Build();
            try
            {
                consumer.Subscribe(_options.Topics.Interactions);
                using var reader = new BulkReader(consumer, _options.BatchSize);
                while (!stopping.IsCancellationRequested)
                {
                    Turn(consumer, reader, stopping);
                }
            }
            finally
            {
                // Revokes everything: shards close and completed offsets are committed before the group is left.
                consumer.Close();
            }

            ThrowFailure();
        }
        catch (Exception e)
        {
            Log.ReaderFailed(_logger, e, _options.Topics.Interactions);
            _failed(e);
        }
    }

    private void Turn(IConsumer<byte[], byte[]> consumer, BulkReader reader, CancellationToken stopping)
    {
        var records = reader.Read(PollTimeout());
        ThrowFailure();
        if (stopping.IsCancellationRequested)
        {
            return;
        }

        if (_rebalanced)
        {
            _rebalanced = false;
            AfterRebalance(consumer, reader, records);
            records = 0;
        }

        for (var i = 0; i < records; i++)
        {
            Accept(consumer, reader[i]);
        }

        reader.Release();
        ThrowFailure();

        // Where one partition always has more to read, the others' few records must not wait until it has not.
        _sinceDelivery += records;
        if (records == 0 || _sinceDelivery >= _options.BatchSize)
        {
            DeliverAll(consumer);
        }

        if (_refused > 0)
        {
            RetryRefused(consumer);
        }

        if (_time.GetElapsedTime(_lastTick) >= CommitInterval)
        {
            _lastTick = _time.GetTimestamp();
            Tick(consumer, stopping);
        }
    }

    private TimeSpan PollTimeout()
    {
        var isFull = _refused > 0;
        foreach (var (_, partition) in _partitions)
        {
            if (partition.HasBatch && !partition.IsWaiting)
            {
                return TimeSpan.Zero;
            }

            isFull |= partition.IsWaiting;
        }

        return isFull ? RetryInterval : _options.PollTimeout;
    }

    private void Accept(IConsumer<byte[], byte[]> consumer, RawRecord record)
    {
        if (record.ErrorCode != ErrorCode.NoError)
        {
            OnConsumerError(consumer, record);
            return;
        }

        var offset = record.Offset;
        // While a batch waits for its shard, what still comes of its partition is left aside: resuming begins at the next offset.
        if (!_partitions.TryGetValue(record.Partition, out var partition)
            || partition.Gap is not null || partition.Reopening is not null || partition.Refused is not null || offset < partition.NextOffset)
        {
            return;
        }

        // Offsets of an embedded log are dense; elsewhere compaction and transaction markers leave harmless holes.
        if (offset > partition.NextOffset && _cluster.IsEmbedded)
        {
            consumer.Pause([partition.TopicPartition]);
            ReportGap(partition, LogGap.Dropped(partition.Source, partition.NextOffset, offset, isEmbedded: true));
            return;
        }

        Decode(partition, record);
        Interlocked.Increment(ref _consumed);
        if (partition.Records >= _options.BatchSize)
        {
            Deliver(consumer, partition);
        }
    }

    private void OnConsumerError(IConsumer<byte[], byte[]> consumer, RawRecord record)
    {
        if (record.ErrorCode is OffsetLost or ErrorCode.OffsetOutOfRange)
        {
            if (_partitions.TryGetValue(record.Partition, out var partition))
            {
                partition.MustVerify = true;
                Verify(consumer, partition);
            }
        }
        else
        {
            OnClientError(new Error(record.ErrorCode, record.ErrorReason, isFatal: record.ErrorCode == ErrorCode.Local_Fatal));
        }
    }

    private void Decode(Partition partition, RawRecord record)
    {
        var headers = RecordHeaders.Read(record.Headers());
        var error = _decoder.Decode(record.Value, headers, record.TimestampMs, out var interaction);
        if (error is null)
        {
            partition.Add(in interaction, record.Offset, headers.TraceParent);
            return;
        }

        if (error == DecodeError.IgnoredType)
        {
            partition.AddFiltered(record.Offset);
            _filtered.AddOrUpdate(error.Code, 1, static (_, count) => count + 1);
            _filteredCounter.Add(1, new KeyValuePair<string, object?>("reason", error.Code));
            return;
        }

        partition.AddUnusable(record.Offset, _deadLetters.WriteAsync(new DeadLetter(record.ToResult(_options.Topics.Interactions), error.Code, error.Message)));
        _deadLettered.AddOrUpdate(error.Code, 1, static (_, count) => count + 1);
        _deadLetteredCounter.Add(1, new KeyValuePair<string, object?>("code", error.Code));
    }

    private IEnumerable<Measurement<long>> Lags() =>
        from p in _partitions.Values
        where p.LogEnd >= 0
        select new Measurement<long>(Math.Max(0, p.LogEnd - p.NextOffset), new KeyValuePair<string, object?>("partition", p.Source.Partition));
}

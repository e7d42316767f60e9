using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>What a replay has read.</summary>
/// <param name="Records">Records read, usable or not.</param>
/// <param name="Interactions">Those that could be used.</param>
/// <param name="Unusable">Those that could not, by error code.</param>
/// <param name="Filtered">Those that the mapping leaves out.</param>
public sealed record ReplayResult(long Records, long Interactions, IReadOnlyDictionary<string, long> Unusable, long Filtered);

/// <summary>Reads the interactions topic again, from a place up to the end that it has now, into shards that are not the live ones.</summary>
/// <remarks>
/// In no group; nothing is committed, and nothing dead-lettered, which the live reader has done. The shards' journal says how far an earlier,
/// interrupted replay has come: it goes on there. One partition after the other. Threading: one call at a time; it blocks a thread of the pool.
/// </remarks>
public sealed class TopicReplay : IDisposable
{
    private readonly KafkaCluster _cluster;
    private readonly KafkaOptions _options;
    private readonly IInteractionSink _sink;
    private readonly InteractionDecoder _decoder;
    private readonly ILogger _logger;
    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly Dictionary<string, long> _unusable = new(StringComparer.Ordinal);
    private long _records;
    private long _interactions;
    private long _filtered;

    /// <param name="cluster">The Kafka to read from.</param>
    /// <param name="options">Valid settings.</param>
    /// <param name="mapping">Valid settings: where the fields are.</param>
    /// <param name="sink">The shards; they must not be those of a live server.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    public TopicReplay(
        KafkaCluster cluster, KafkaOptions options, MappingOptions mapping, IInteractionSink sink, TimeProvider time, ILogger<TopicReplay> logger)
    {
        _cluster = cluster;
        _options = options;
        _sink = sink;
        _logger = logger;
        _decoder = new InteractionDecoder(options.MaxRecordBytes, mapping, time);
        _consumer = new ConsumerBuilder<byte[], byte[]>(ClientConfig.Consumer(cluster, options, options.GroupId + "-replay", partitionEof: true))
            .SetLogHandler((_, message) => Log.Native(logger, message.Facility, message.Message))
            .SetErrorHandler((_, error) => Log.ClientError(logger, error.Reason, error.Code.ToString()))
            .Build();
    }

    /// <summary>Reads, hands over, and closes each partition behind its last record.</summary>
    /// <param name="start">Where to begin in partitions of which the shards' journal knows nothing.</param>
    /// <param name="report">Told what share of the records is read, from 0 to 1.</param>
    /// <param name="cancellationToken">Stops between two records; what was handed over is kept, and a later replay goes on behind it.</param>
    /// <exception cref="KafkaException">The broker does not answer within <see cref="KafkaOptions.ConnectTimeout"/>.</exception>
    /// <exception cref="ArgumentException">The start names a partition that is not there.</exception>
    /// <exception cref="IOException">The shards' journal was taken over, or the log has lost what an interrupted replay had to go on with.</exception>
    public async Task<ReplayResult> RunAsync(ReplayStart start, Action<double> report, CancellationToken cancellationToken)
    {
        var logs = Logs(start);
        var total = Math.Max(1, logs.Sum(log => log.High - log.From));
        var done = 0L;
        foreach (var log in logs)
        {
            await ReplayAsync(log, start.TimestampMs, offset => report((double)(done + offset - log.From) / total), cancellationToken);
            done += log.High - log.From;
        }

        report(1);
        return new ReplayResult(_records, _interactions, _unusable, _filtered);
    }

    public void Dispose() => _consumer.Dispose();

    /// <summary>The partitions to read, each from where to where.</summary>
    private List<PartitionLog> Logs(ReplayStart start)
    {
        var partitions = _consumer.Partitions(_options.Topics.Interactions, _options);
        if (start.Offsets?.Keys.FirstOrDefault(n => n >= partitions.Count, -1) is >= 0 and var unknown)
        {
            throw new ArgumentException($"--from names partition {unknown}; {_options.Topics.Interactions} has 0 to {partitions.Count - 1}.");
        }

        // An embedded broker finds nothing by time: there the records before that moment are passed over as they come.
        var byTime = start.TimestampMs is { } moment && !_cluster.IsEmbedded
            ? _consumer.OffsetsForTimes(partitions.Select(p => new TopicPartitionTimestamp(p, new Timestamp(moment, TimestampType.CreateTime))), _options.ConnectTimeout)
                .ToDictionary(found => found.Partition.Value, found => found.Offset)
            : null;
        var logs = new List<PartitionLog>();
        foreach (var partition in partitions.Where(p => start.Offsets?.ContainsKey(p.Partition.Value) ?? true))
        {
            var (low, high) = _consumer.QueryWatermarkOffsets(partition, _options.ConnectTimeout) is var log ? (log.Low.Value, log.High.Value) : default;
            var from = byTime is not null ? (byTime[partition.Partition.Value] is { IsSpecial: false } found ? found.Value : high)
                : start.Offsets is { } offsets ? offsets[partition.Partition.Value]
                : start.Offset ?? low;
            logs.Add(new PartitionLog(partition, low, Math.Clamp(from, low, high), high));
        }

        return logs;
    }

    private async Task ReplayAsync(PartitionLog log, long? fromTimestampMs, Action<long> report, CancellationToken cancellationToken)
    {
        var source = new SourcePartition(log.Partition.Topic, _cluster.LogId, log.Partition.Partition.Value);
        var position = await _sink.OpenAsync(source, cancellationToken);
        var from = position > 0 ? position : log.From;
        if (from < log.Low || from > log.High)
        {
            var what = from > log.High
                ? $"the log ends at {log.High}: the topic was deleted and created again"
                : $"the oldest available is {log.Low}: {log.Low - from} records were dropped";
            throw new IOException($"{source}: an earlier replay has come to offset {from}, and {what} since. Replay into a directory that is not there yet.");
        }

        // The first batch begins where the journal is, so that its position moves over what is left out.
        var batch = new IngestedInteractions();
        var first = position;
        if (from < log.High)
        {
            _consumer.Assign(new TopicPartitionOffset(log.Partition, from));
            var begun = position > 0 || fromTimestampMs is null;
            for (var next = from; next < log.High;)
            {
                // Nothing more before the end that was found: transactions leave offsets without records.
                var record = _consumer.Next(log.Partition, _options, _logger, cancellationToken);
                next = record is null ? log.High : record.Offset.Value + 1;
                begun = begun || record?.Message.Timestamp.UnixTimestampMs >= fromTimestampMs;
                if (record is not null && begun)
                {
                    Decode(record, batch);
                }

                if (next - first >= _options.BatchSize || next >= log.High)
                {
                    await DeliverAsync(new InteractionBatch(source, first, next, batch, Task.CompletedTask), cancellationToken);
                    (first, batch) = (next, new IngestedInteractions());
                    report(next);
                }
            }
        }
        else if (from > first)
        {
            await DeliverAsync(new InteractionBatch(source, first, from, new IngestedInteractions(), Task.CompletedTask), cancellationToken);
        }

        await _sink.CloseAsync(source, cancellationToken);
    }

    private void Decode(ConsumeResult<byte[], byte[]> record, IngestedInteractions batch)
    {
        _records++;
        var message = record.Message;
        var headers = RecordHeaders.Read(message.Headers);
        var error = _decoder.Decode(message.Value, headers, message.Timestamp.UnixTimestampMs, out var interaction);
        if (error is null)
        {
            _interactions++;
            interaction.AddTo(batch, record.Offset.Value, headers.TraceParent);
        }
        else if (error == DecodeError.IgnoredType)
        {
            _filtered++;
        }
        else
        {
            _unusable[error.Code] = _unusable.GetValueOrDefault(error.Code) + 1;
        }
    }

    private async Task DeliverAsync(InteractionBatch batch, CancellationToken cancellationToken)
    {
        while (_sink.TryDeliver(batch) is var delivery && delivery != Delivery.Taken)
        {
            if (delivery == Delivery.NotOpen)
            {
                throw new IOException($"The shard of {batch.Source} is gone: another process has taken the journal over. Replay again; what is there already is left out.");
            }

            await Task.Delay(1, cancellationToken);
        }
    }

    private sealed record PartitionLog(TopicPartition Partition, long Low, long From, long High);
}

using System.Runtime.ExceptionServices;
using Confluent.Kafka;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <content>Taking partitions over, giving them up, and finding out that the log lost what was wanted.</content>
/// <remarks>
/// The handlers run inside a poll and wait for the shards: the group must not go on before a shard has recovered, or has finished.
/// librdkafka sends heartbeats meanwhile; <c>max.poll.interval.ms</c> (5 min) bounds the wait.
/// </remarks>
public sealed partial class KafkaIngest
{
    // RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: an offset outside the log, with auto.offset.reset=error.
    private const ErrorCode OffsetLost = (ErrorCode)(-140);
    private static readonly TimeSpan WatermarkTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastCommitTimeout = TimeSpan.FromSeconds(3);

    private List<TopicPartitionOffset> OnAssigned(
        IConsumer<byte[], byte[]> consumer, List<TopicPartition> assigned, CancellationToken stopping)
    {
        _rebalanced = true;
        try
        {
            var sources = assigned.ConvertAll(a => new SourcePartition(a.Topic, _cluster.LogId, a.Partition.Value));
            var opening = Task.WhenAll(sources.Select(s => _sink.OpenAsync(s, stopping).AsTask()));
            var wanted = opening.GetAwaiter().GetResult();
            Failpoints.Hit(Failpoint.PartitionOpened);
            return [.. sources.Zip(wanted, (source, from) => Open(consumer, source, from, stopping))];
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return [];
        }
        catch (Exception e)
        {
            // An exception must not unwind through native code; the loop throws it after this poll.
            _failure = e;
            return [];
        }
    }

    private TopicPartitionOffset Open(IConsumer<byte[], byte[]> consumer, SourcePartition source, long wanted, CancellationToken stopping)
    {
        var log = QueryLog(consumer, new TopicPartition(source.Topic, source.Partition), stopping);
        var start = StartOffset.Resolve(source, wanted, log.Low.Value, log.High.Value, _cluster.IsEmbedded, out var gap);
        var partition = new Partition(source, Math.Max(0, wanted), start, _time) { LogEnd = log.High.Value };
        _partitions[source.Partition] = partition;
        // What this process knows from an earlier time is less than what another one has completed since.
        _completed.Completed(source, Math.Max(0, wanted));
        if (gap is not null)
        {
            ReportGap(partition, gap);
            return new TopicPartitionOffset(partition.TopicPartition, gap.AvailableOffset);
        }

        Log.PartitionOpened(_logger, source.ToString(), start, log.Low.Value, log.High.Value);
        return new TopicPartitionOffset(partition.TopicPartition, start);
    }

    // A broker that does not answer is an outage: asked again until it does, or the host stops.
    private WatermarkOffsets QueryLog(IConsumer<byte[], byte[]> consumer, TopicPartition partition, CancellationToken stopping)
    {
        while (true)
        {
            stopping.ThrowIfCancellationRequested();
            try
            {
                return consumer.QueryWatermarkOffsets(partition, WatermarkTimeout);
            }
            catch (KafkaException e) when (!e.Error.IsFatal && !ClientConfig.NeverHeals(e.Error.Code))
            {
                Log.ClientError(_logger, e.Error.Reason, e.Error.Code.ToString());
                stopping.WaitHandle.WaitOne(RetryInterval);
            }
        }
    }

    private void OnRevoked(IConsumer<byte[], byte[]> consumer, IEnumerable<Confluent.Kafka.Partition> revoked, bool commit)
    {
        _rebalanced = true;
        try
        {
            var leaving = revoked.Select(r => r.Value).Where(_partitions.ContainsKey).Select(n => _partitions[n]).ToList();
            // What is still here and not handed over is read again by the next owner.
            _refused -= leaving.Count(p => p.Refused is not null);
            Failpoints.Hit(Failpoint.PartitionsRevoked);
            Close(leaving);
            if (commit)
            {
                _committer.Finish(consumer, Uncommitted(), LastCommitTimeout);
            }

            // The client remembers a pause for a partition that comes back: it would stand still for ever.
            consumer.Resume(leaving.Select(p => p.TopicPartition));
            foreach (var partition in leaving)
            {
                _partitions.TryRemove(partition.Source.Partition, out _);
                Log.PartitionClosed(_logger, partition.Source.ToString(), partition.NextOffset);
            }
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }

    /// <summary>Reads again what came in the same read as a rebalance: it may be from before, or from behind where its shard wants to begin.</summary>
    private void AfterRebalance(IConsumer<byte[], byte[]> consumer, BulkReader reader, int records)
    {
        // An error is told once, and often it is the reason for the rebalance: a fenced member has lost its partitions and never joins again.
        // Only offsets outside the log are found again by reading again.
        for (var i = 0; i < records; i++)
        {
            if (reader[i].ErrorCode is not (ErrorCode.NoError or OffsetLost or ErrorCode.OffsetOutOfRange))
            {
                OnConsumerError(consumer, reader[i]);
            }
        }

        ThrowFailure();
        var assigned = consumer.Assignment;
        if (assigned.Count != _partitions.Count)
        {
            throw new InvalidOperationException(
                $"The client reads {assigned.Count} partitions of {_options.Topics.Interactions} and the shards of {_partitions.Count} are open: an assignment has failed. Start again.");
        }

        if (records > 0 && assigned.Count > 0)
        {
            Restart(consumer);
        }
    }

    private void Close(List<Partition> leaving)
    {
        using var timeout = new CancellationTokenSource(_options.CloseTimeout, _time);
        try
        {
            Task.WhenAll(leaving.Select(p => CloseAsync(p, timeout.Token))).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested)
        {
            Log.CloseTimedOut(_logger, _options.CloseTimeout);
        }
    }

    private async Task CloseAsync(Partition partition, CancellationToken cancellationToken)
    {
        if (partition.Reopening is { } reopening)
        {
            // However it ends: what counts is that it opens nothing behind the closing.
            await Task.WhenAny(reopening).WaitAsync(cancellationToken);
        }

        await _sink.CloseAsync(partition.Source, cancellationToken);
    }

    /// <summary>The partition's shard is gone: somebody else has acquired the partition, or has fenced its owner.</summary>
    /// <remarks>
    /// Either the group has given the partition to another node, of which this one has not heard yet, or another node has forgotten one of its
    /// users. A commit tells: the group takes it from its members only. Without asking, two nodes would take the partition from each other.
    /// What was read and not handed over is read again.
    /// </remarks>
    private void BeginReopening(IConsumer<byte[], byte[]> consumer, Partition partition)
    {
        consumer.Pause([partition.TopicPartition]);
        var offset = new TopicPartitionOffset(partition.TopicPartition, _completed.Of(partition.Source) ?? partition.ReadFrom);
        partition.Reopening = Task.Run(async () =>
        {
            if (OffsetCommitter.Commit(consumer, [offset]) is { } failure)
            {
                throw failure;
            }

            return await _sink.OpenAsync(partition.Source, CancellationToken.None);
        });
    }

    private void EndReopening(IConsumer<byte[], byte[]> consumer, Partition partition, CancellationToken stopping)
    {
        var reopening = partition.Reopening!;
        if (reopening.IsCompletedSuccessfully)
        {
            Open(consumer, partition.Source, reopening.Result, stopping);
            Resume(consumer, _partitions[partition.Source.Partition]);
        }
        else if (reopening.IsCompleted)
        {
            var failure = reopening.Exception!.InnerException!;
            partition.Reopening = null;
            if (failure is KafkaException { Error: { IsFatal: false, Code: var code } } && !ClientConfig.NeverHeals(code))
            {
                // Asked again at the next tick, unless the group has taken the partition away by then.
                Log.NotReopened(_logger, partition.Source.ToString(), failure.Message);
            }
            else
            {
                _failure = failure;
            }
        }
    }

    /// <summary>Asks the log what it holds, after the client said that the offset is not there.</summary>
    private void Verify(IConsumer<byte[], byte[]> consumer, Partition partition)
    {
        WatermarkOffsets log;
        try
        {
            log = consumer.QueryWatermarkOffsets(partition.TopicPartition, WatermarkTimeout);
        }
        catch (KafkaException e) when (!e.Error.IsFatal && !ClientConfig.NeverHeals(e.Error.Code))
        {
            // Not answered now: the next tick asks again, and the partition stands still until then.
            Log.ClientError(_logger, e.Error.Reason, e.Error.Code.ToString());
            return;
        }

        partition.MustVerify = false;
        if (log.Low.Value > partition.NextOffset)
        {
            ReportGap(partition, LogGap.Dropped(partition.Source, partition.NextOffset, log.Low.Value, _cluster.IsEmbedded));
        }
        else if (log.High.Value < partition.NextOffset)
        {
            ReportGap(partition, LogGap.Recreated(partition.Source, partition.NextOffset, log.High.Value));
        }
        else
        {
            Restart(consumer);
        }
    }

    private void ReportGap(Partition partition, LogGap gap)
    {
        partition.Gap = gap;
        Log.LogGap(_logger, gap.Message);
    }

    /// <summary>Keeps a partition with a gap still, and lets it go on behind the gap once somebody has accepted that.</summary>
    private void Attend(IConsumer<byte[], byte[]> consumer, Partition partition, LogGap gap)
    {
        if (!partition.IsGapAccepted)
        {
            // Each time: pausing takes no effect before the assignment does.
            consumer.Pause([partition.TopicPartition]);
            return;
        }

        // The next batch begins before the gap and ends behind it, so the journal's position moves over it like over any record without use.
        partition.SkipTo(gap.AvailableOffset);
        Log.GapAccepted(_logger, partition.Source.ToString(), gap.WantedOffset, gap.AvailableOffset, gap.MissingOffsets);
        Restart(consumer);
    }

    /// <summary>Assigns the partitions once more, at the offsets where they stand: one of which the client has found its offset outside the log cannot be sought any more.</summary>
    private void Restart(IConsumer<byte[], byte[]> consumer)
    {
        consumer.Assign(_partitions.Values.Select(p => new TopicPartitionOffset(p.TopicPartition, p.Gap?.AvailableOffset ?? p.NextOffset)));
        // A partition that was paused may still be.
        foreach (var partition in _partitions.Values)
        {
            if (partition.Gap is not null || partition.Refused is not null || partition.Reopening is not null)
            {
                consumer.Pause([partition.TopicPartition]);
            }
            else
            {
                consumer.Resume([partition.TopicPartition]);
            }
        }
    }

    private void OnClientError(Error error)
    {
        if (error.IsFatal || ClientConfig.NeverHeals(error.Code))
        {
            _failure ??= new KafkaException(error);
        }
        else
        {
            Log.ClientError(_logger, error.Reason, error.Code.ToString());
        }
    }

    private void ThrowFailure()
    {
        if (_failure is { } failure)
        {
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }
}

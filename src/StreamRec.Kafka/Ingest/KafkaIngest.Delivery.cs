using Confluent.Kafka;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <content>Handing batches over, pushing back, and what happens about once a second.</content>
public sealed partial class KafkaIngest
{
    private void DeliverAll(IConsumer<byte[], byte[]> consumer)
    {
        _sinceDelivery = 0;
        foreach (var (_, partition) in _partitions)
        {
            if (partition.HasBatch)
            {
                Deliver(consumer, partition);
            }
        }
    }

    private void Deliver(IConsumer<byte[], byte[]> consumer, Partition partition)
    {
        var batch = partition.Batch();
        Failpoints.Hit(Failpoint.BatchRead);
        var delivery = _sink.TryDeliver(batch);
        partition.IsWaiting = delivery == Delivery.Full && partition.Records < _options.BatchSize;
        if (partition.IsWaiting)
        {
            // There is room here: the batch grows meanwhile, so a shard that is behind gets fewer and larger ones, and nothing has to be paused.
            return;
        }

        for (var refusedAt = _time.GetTimestamp();
            delivery == Delivery.Full && _refused == 0 && _time.GetElapsedTime(refusedAt) < RefusalGrace;
            delivery = _sink.TryDeliver(batch))
        {
            Thread.Sleep(1);
        }

        _consumedCounter.Add(partition.Records);
        partition.BeginBatch();
        switch (delivery)
        {
            case Delivery.Full:
                partition.Refused = batch;
                _refused++;
                consumer.Pause([partition.TopicPartition]);
                Log.PartitionPaused(_logger, partition.Source.ToString(), batch.FirstOffset);
                break;
            case Delivery.NotOpen:
                BeginReopening(consumer, partition);
                break;
        }
    }

    private void RetryRefused(IConsumer<byte[], byte[]> consumer)
    {
        foreach (var (_, partition) in _partitions)
        {
            if (partition.Refused is not { } batch || _sink.TryDeliver(batch) is var delivery && delivery == Delivery.Full)
            {
                continue;
            }

            partition.Refused = null;
            _refused--;
            if (delivery == Delivery.Taken)
            {
                Resume(consumer, partition);
            }
            else
            {
                BeginReopening(consumer, partition);
            }
        }
    }

    private void Resume(IConsumer<byte[], byte[]> consumer, Partition partition)
    {
        if (partition.Gap is not null)
        {
            return;
        }

        consumer.Resume([partition.TopicPartition]);
        // The client has thrown away what it had fetched ahead; a seek makes its position certain, and has been obeyed when it returns.
        consumer.Seek(new TopicPartitionOffset(partition.TopicPartition, partition.NextOffset));
        WakeFetcher(consumer, partition);
        Log.PartitionResumed(_logger, partition.Source.ToString(), partition.NextOffset);
    }

    // The client's broker thread may sleep up to a second before it notices that there is something to fetch again (librdkafka 2.0.2);
    // any request to the broker wakes it, and this one is cheap. Measured: 0.3 to 1.1 s to the next records without, about 0.1 s with.
    // One at a time: a broker that does not answer would otherwise hold one thread of the pool for each pause.
    private void WakeFetcher(IConsumer<byte[], byte[]> consumer, Partition partition)
    {
        if (partition.Waking.IsCompleted)
        {
            partition.Waking = Task.Run(() =>
            {
                try
                {
                    consumer.QueryWatermarkOffsets(partition.TopicPartition, WatermarkTimeout);
                }
                catch (Exception e) when (e is KafkaException or ObjectDisposedException)
                {
                    Log.WakeFailed(_logger, partition.TopicPartition.ToString(), e.Message);
                }
            });
        }
    }

    private void Tick(IConsumer<byte[], byte[]> consumer, CancellationToken stopping)
    {
        foreach (var (_, partition) in _partitions)
        {
            if (partition.Reopening is not null)
            {
                EndReopening(consumer, partition, stopping);
            }
            else if (partition.Refused is null && !_sink.IsOpen(partition.Source))
            {
                // No batch may be on its way that would find out, and the lists that the shard still owed are owed all the same.
                BeginReopening(consumer, partition);
            }
            else if (partition.Gap is { } gap)
            {
                Attend(consumer, partition, gap);
            }
            else if (partition.MustVerify)
            {
                Verify(consumer, partition);
            }

            partition.LogEnd = consumer.GetWatermarkOffsets(partition.TopicPartition).High.Value;
        }

        _watch.Tick(() => _watch.Count(consumer.Handle));
        var offsets = Uncommitted();
        if (_committer.TryStart(consumer, offsets))
        {
            MarkCommitted(offsets);
        }
    }

    private List<TopicPartitionOffset> Uncommitted()
    {
        var offsets = new List<TopicPartitionOffset>();
        foreach (var (_, partition) in _partitions)
        {
            if (_completed.Of(partition.Source) is { } next && next > partition.Committed)
            {
                offsets.Add(new TopicPartitionOffset(partition.TopicPartition, next));
            }
        }

        return offsets;
    }

    // Also when the commit fails later: the next completed offset, or the one at revocation, is committed then.
    private void MarkCommitted(List<TopicPartitionOffset> offsets)
    {
        foreach (var offset in offsets)
        {
            _partitions[offset.Partition.Value].Committed = offset.Offset.Value;
        }
    }
}

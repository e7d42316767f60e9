using System.Collections.Concurrent;
using Confluent.Kafka;

namespace StreamRec.Kafka.Publish;

/// <summary>
/// Keeps a writer to an embedded broker behind the group that reads it: the broker drops what exceeds its retention without a word,
/// so a writer that runs ahead would lose records.
/// </summary>
/// <remarks>Counts records, each taken as large as the largest one seen. Threading: <see cref="Delivered"/> from any thread, the rest from one.</remarks>
internal sealed class RetentionGuard : IDisposable
{
    /// <summary>Half of what a partition keeps: the other half is for records under way and for what framing adds.</summary>
    private const long Budget = EmbeddedBroker.RetainedBytesPerPartition / 2;

    /// <summary>Framing of a record that travels alone.</summary>
    private const int Overhead = 80;

    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly IConsumer<Ignore, Ignore> _group;
    private readonly string _topic;
    private readonly ConcurrentDictionary<int, long> _written = new();
    private readonly Dictionary<int, long> _read = [];
    private int _largest;
    private long _allowance;
    private long _sent;
    private long _delivered;

    public RetentionGuard(KafkaCluster cluster, KafkaOptions options)
    {
        _topic = options.Topics.Interactions;
        // Never subscribes: it only asks what the server's group has committed.
        _group = new ConsumerBuilder<Ignore, Ignore>(ClientConfig.Consumer(cluster, options, options.GroupId))
            .SetLogHandler(static (_, _) => { }).Build();
    }

    /// <summary>A record is in the log.</summary>
    public void Delivered(int partition, long offset)
    {
        _written.AddOrUpdate(partition, offset + 1, (_, known) => Math.Max(known, offset + 1));
        Interlocked.Increment(ref _delivered);
    }

    /// <summary>Waits until one more record of this size cannot push out an unread one, wherever it goes; the caller then sends it.</summary>
    public async ValueTask WaitAsync(int bytes, CancellationToken cancellationToken)
    {
        _sent++;
        _largest = Math.Max(_largest, bytes + Overhead);
        if (--_allowance > 0)
        {
            return;
        }

        while (true)
        {
            // A record larger than the budget goes alone: nothing unread, nothing under way but itself.
            var room = Math.Max(2, Budget / _largest) - Furthest() - (_sent - Interlocked.Read(ref _delivered));
            if (room > 0)
            {
                // No need to look again before a good part of the room is used up.
                _allowance = Math.Max(1, room / 4);
                return;
            }

            await Task.Delay(Patience, cancellationToken);
        }
    }

    public void Dispose() => _group.Dispose();

    // Records that the partition furthest behind has not read.
    private long Furthest()
    {
        if (_written.IsEmpty)
        {
            return 0;
        }

        try
        {
            foreach (var committed in _group.Committed(_written.Keys.Select(p => new TopicPartition(_topic, p)), Timeout))
            {
                _read[committed.Partition.Value] = Math.Max(0, committed.Offset.Value);
            }
        }
        catch (KafkaException e) when (!e.Error.IsFatal)
        {
            // The broker is away for a moment: what was known of the group stays, and the next look asks again.
            return _written.Max(pair => pair.Value - _read.GetValueOrDefault(pair.Key));
        }

        return _written.Max(pair => pair.Value - _read.GetValueOrDefault(pair.Key));
    }
}

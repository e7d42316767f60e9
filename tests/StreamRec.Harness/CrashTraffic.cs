using System.Collections.Concurrent;
using System.Text;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Harness;

/// <summary>A record as it was sent.</summary>
/// <param name="UserId">Whose.</param>
/// <param name="ItemId">What was clicked.</param>
/// <param name="EventId">The producer's id; a repeated one is not to be applied again.</param>
/// <param name="IsUsable">False: it belongs into the dead letters.</param>
/// <param name="Value">The bytes.</param>
public sealed record SentRecord(string UserId, string ItemId, string EventId, bool IsUsable, byte[] Value);

/// <summary>Sends clicks at a rate until it is stopped, repeated and broken ones among them, and knows where the broker has put each.</summary>
/// <remarks>
/// The embedded broker does not notice that a producer sends a batch again whose answer was lost: what stands in the log then has more records
/// than were acknowledged. So the log is read back at the end.
/// </remarks>
public sealed class CrashTraffic : IAsyncDisposable
{
    private const int Items = 400;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<(int Partition, long Offset), SentRecord> _sent = new();
    private readonly Dictionary<string, SentRecord> _byValue = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _sequences = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly string _bootstrapServers;
    private readonly IProducer<byte[], byte[]> _producer;
    private readonly Random _random;
    private readonly int[] _lastItem;
    private readonly Queue<SentRecord> _recent = new();
    private readonly Task _sending;
    private long _count;

    public CrashTraffic(string bootstrapServers, int users, int perSecond, int seed)
    {
        _bootstrapServers = bootstrapServers;
        _producer = RawKafka.PatientProducer(bootstrapServers);
        _random = new Random(seed);
        _lastItem = new int[users];
        _sending = Task.Run(() => SendAsync(perSecond));
    }

    /// <summary>Every record that the broker has acknowledged; once that is read back, every record of the log.</summary>
    public IReadOnlyDictionary<(int Partition, long Offset), SentRecord> Sent => _sent;

    /// <summary>What the broker refused.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    /// <summary>How many interactions each user has by now, those included that wait for the broker.</summary>
    public Dictionary<string, long> Sequences() => new(_sequences);

    /// <summary>Stops sending and waits until the broker has everything.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _sending;
        _producer.Flush(Eventually.Deadline);
        if (_sent.Count + _failures.Count != _count)
        {
            _failures.Enqueue($"{_count} records were sent and {_sent.Count} acknowledged");
        }
    }

    /// <summary>Reads the log back, after the stop.</summary>
    public void ReadBack()
    {
        var missing = _sent.Keys.ToHashSet();
        foreach (var record in RawKafka.ReadAll(_bootstrapServers, new TopicNames().Interactions))
        {
            var place = (record.Partition.Value, record.Offset.Value);
            missing.Remove(place);
            var found = _byValue.GetValueOrDefault(Encoding.UTF8.GetString(record.Message.Value));
            if (found is null || _sent.GetOrAdd(place, found) != found)
            {
                _failures.Enqueue($"partition {place.Item1}, offset {place.Item2} of the log is not what was sent there");
            }
        }

        if (missing.Count > 0)
        {
            _failures.Enqueue($"{missing.Count} acknowledged records are not in the log, such as {missing.First()}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _sending;
        _producer.Dispose();
        _stopping.Dispose();
    }

    private async Task SendAsync(int perSecond)
    {
        using var timer = new PeriodicTimer(Tick);
        var due = 0.0;
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                for (due += perSecond * Tick.TotalSeconds; due >= 1; due--)
                {
                    Send(Next());
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private SentRecord Next()
    {
        if (_recent.Count > 50 && _random.Next(50) == 0)
        {
            // The same record again, as a producer sends it that has not heard of the first one's success.
            return _recent.ElementAt(_random.Next(_recent.Count));
        }

        // Everybody once, then anybody.
        var user = _count < _lastItem.Length ? (int)_count : _random.Next(_lastItem.Length);
        // Mostly what follows the last item, so that there is something to learn.
        var item = _lastItem[user] = _random.Next(5) == 0 ? _random.Next(Items) : (_lastItem[user] * 7 + 3) % Items;
        var (userId, itemId, eventId) = ($"user-{user}", $"item-{item}", $"e{_count}");
        var record = _random.Next(60) switch
        {
            0 => new SentRecord(userId, itemId, eventId, false, Encoding.UTF8.GetBytes($"{{\"user_id\":\"{userId}\", broken {eventId}")),
            1 => new SentRecord(userId, itemId, eventId, false, Encoding.UTF8.GetBytes($$"""{"event_id":"{{eventId}}","item_id":"{{itemId}}","type":"click"}""")),
            _ => new SentRecord(userId, itemId, eventId, true, Encoding.UTF8.GetBytes($$"""{"event_id":"{{eventId}}","user_id":"{{userId}}","item_id":"{{itemId}}","type":"click"}""")),
        };
        if (record.IsUsable)
        {
            _sequences.AddOrUpdate(userId, 1, static (_, count) => count + 1);
            _recent.Enqueue(record);
            if (_recent.Count > 200)
            {
                _recent.Dequeue();
            }
        }

        return record;
    }

    private void Send(SentRecord record)
    {
        _count++;
        _byValue[Encoding.UTF8.GetString(record.Value)] = record;
        var message = new Message<byte[], byte[]> { Key = Encoding.UTF8.GetBytes(record.UserId), Value = record.Value };
        _producer.Produce(new TopicNames().Interactions, message, report =>
        {
            if (report.Error.IsError)
            {
                _failures.Enqueue(report.Error.Reason);
            }
            else
            {
                _sent[(report.Partition.Value, report.Offset.Value)] = record;
            }
        });
    }
}

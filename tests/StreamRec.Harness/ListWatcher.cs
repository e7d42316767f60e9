using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Harness;

/// <summary>One place of a list, as the topic has it.</summary>
public sealed record SeenItem(string ItemId, int Rank, double Score, string Source);

/// <summary>A list's model, as the topic has it.</summary>
public sealed record SeenModel(string Family, int Version, string Variant);

/// <summary>A list, as the topic has it.</summary>
public sealed record SeenList(string UserId, long Sequence, SeenItem[] Items, SeenModel? Model, string? Fallback);

/// <summary>
/// Reads the recommendations topic from its beginning, as a consumer of the lists would, and checks of each list what holds for every list.
/// </summary>
/// <remarks>It reads along, because the embedded broker keeps only the newest records; a record that it missed is a fault like any other.</remarks>
public sealed class ListWatcher : IDisposable
{
    private const int MostFaults = 20;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly Action<SeenList, Action<string>>? _seen;
    private readonly ConcurrentDictionary<string, SeenList> _newest = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _faults = new();
    private readonly Dictionary<int, long> _next = [];
    private readonly Thread _thread;
    private volatile bool _stopping;
    private long _count;

    /// <param name="bootstrapServers">The broker; the topic exists.</param>
    /// <param name="seen">Called for each list on one thread, with where to report a fault; or null.</param>
    public ListWatcher(string bootstrapServers, Action<SeenList, Action<string>>? seen = null)
    {
        _seen = seen;
        _consumer = RawKafka.Consumer(bootstrapServers, new TopicNames().Recommendations);
        _thread = new Thread(Run) { IsBackground = true, Name = "list-watcher" };
        _thread.Start();
    }

    /// <summary>
    /// Whether an older list may come after a newer one, as from a node that was frozen: consumers leave it aside, and so does this one.
    /// </summary>
    public bool ToleratesOlderLists { get; init; }

    /// <summary>Lists read.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>What was wrong with them.</summary>
    public IReadOnlyCollection<string> Faults => _faults;

    /// <summary>The newest list of a user, or null.</summary>
    public SeenList? Newest(string userId) => _newest.GetValueOrDefault(userId);

    /// <summary>Waits for a user's list that has taken so many interactions into account.</summary>
    public async Task<SeenList> ListAsync(string userId, long sequence)
    {
        await Eventually.TrueAsync(
            () => Newest(userId)?.Sequence >= sequence, $"list {sequence} of {userId}",
            () => $"The newest is {Newest(userId)?.Sequence.ToString() ?? "none"}; faults: {string.Join("; ", Faults)}");
        return Newest(userId)!;
    }

    /// <summary>How many of these users have no list yet with all their interactions.</summary>
    public int Missing(IReadOnlyDictionary<string, long> expected) =>
        expected.Count(user => (Newest(user.Key)?.Sequence ?? -1) < user.Value);

    /// <summary>Waits until everybody has the list with all of the user's interactions.</summary>
    public async Task AllAsync(IReadOnlyDictionary<string, long> expected) => await Eventually.TrueAsync(
        () => Missing(expected) == 0, "everybody's newest list",
        () => $"{Missing(expected)} of {expected.Count} users have no list with all their interactions; faults: {string.Join("; ", Faults)}");

    /// <summary>The same, however long it takes, as long as lists keep coming; false when none has come for a while.</summary>
    public async Task<bool> AllInTimeAsync(IReadOnlyDictionary<string, long> expected)
    {
        while (Missing(expected) > 0)
        {
            var before = Count;
            try
            {
                await Eventually.TrueAsync(() => Count > before, "another list");
            }
            catch (TimeoutException)
            {
                return false;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100));
        }

        return true;
    }

    /// <summary>A user who was forgotten begins again.</summary>
    public void Forget(string userId) => _newest.TryRemove(userId, out _);

    public void Dispose()
    {
        _stopping = true;
        _thread.Join();
        _consumer.Dispose();
    }

    private void Run()
    {
        while (!_stopping)
        {
            try
            {
                if (_consumer.Consume(TimeSpan.FromMilliseconds(50)) is { } record)
                {
                    Read(record);
                }
            }
            catch (Exception exception) when (exception is KafkaException or JsonException)
            {
                Fault(exception.Message);
            }
        }
    }

    private void Read(ConsumeResult<byte[], byte[]> record)
    {
        var expected = _next.GetValueOrDefault(record.Partition.Value);
        if (record.Offset.Value != expected)
        {
            Fault($"partition {record.Partition.Value} jumps from offset {expected} to {record.Offset.Value}");
        }

        _next[record.Partition.Value] = record.Offset.Value + 1;
        var list = JsonSerializer.Deserialize<SeenList>(record.Message.Value, Json)!;
        var former = Newest(list.UserId);
        if (former?.Sequence > list.Sequence)
        {
            if (!ToleratesOlderLists)
            {
                Fault($"{list.UserId}: list {list.Sequence} comes after {former.Sequence}");
            }

            return;
        }

        if (Encoding.UTF8.GetString(record.Message.Key) != list.UserId)
        {
            Fault($"{list.UserId}: the key is {Encoding.UTF8.GetString(record.Message.Key)}");
        }

        var ids = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < list.Items.Length; i++)
        {
            var item = list.Items[i];
            if (!ids.Add(item.ItemId) || item.Rank != i + 1 || (i > 0 && item.Score > list.Items[i - 1].Score))
            {
                Fault($"{list.UserId}: place {i + 1} of list {list.Sequence} is {item}");
            }

            // One model computes a list, or transitions begin and popularity ends it.
            var fits = list.Fallback is null ? item.Source == list.Model?.Family
                : item.Source == "popularity" || (item.Source == "transitions" && (i == 0 || list.Items[i - 1].Source == "transitions"));
            if (!fits)
            {
                Fault($"{list.UserId}: list {list.Sequence} by {list.Model} with fallback {list.Fallback} has {item}");
            }
        }

        _seen?.Invoke(list, Fault);
        _newest[list.UserId] = list;
        Interlocked.Increment(ref _count);
    }

    private void Fault(string what)
    {
        if (_faults.Count < MostFaults)
        {
            _faults.Enqueue(what);
        }
    }
}

using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Kafka;
using StreamRec.Users;

namespace StreamRec.Harness;

/// <summary>Compares what was sent with what is in the journal and in the topics, after everything has come to rest.</summary>
/// <remarks>
/// It knows the records and where the broker has put them, and folds them by its own few lines: a user's events in the order of the partition,
/// without repeated ids.
/// </remarks>
public sealed class CrashCheck
{
    private const int MostViolations = 30;
    private const int UsersPerRead = 500;
    private static readonly int MaxSequence = new UsersOptions().MaxSequence;

    private readonly List<string> _violations = [];
    private readonly Dictionary<int, List<(long Offset, SentRecord Record)>> _expected = [];
    private readonly Dictionary<string, List<string>> _items = new(StringComparer.Ordinal);
    private readonly IReadOnlyDictionary<(int Partition, long Offset), SentRecord> _sent;

    private CrashCheck(IReadOnlyDictionary<(int Partition, long Offset), SentRecord> sent)
    {
        _sent = sent;
        var seen = new HashSet<(string, string)>();
        foreach (var ((partition, offset), record) in sent.OrderBy(pair => pair.Key))
        {
            if (!record.IsUsable)
            {
                continue;
            }

            if (!seen.Add((record.UserId, record.EventId)))
            {
                Duplicates++;
                continue;
            }

            Of(_expected, partition).Add((offset, record));
            Of(_items, record.UserId).Add(record.ItemId);
        }

        static List<T> Of<TKey, T>(Dictionary<TKey, List<T>> lists, TKey key) where TKey : notnull =>
            lists.TryGetValue(key, out var list) ? list : lists[key] = [];
    }

    /// <summary>Of traffic that has been read back.</summary>
    public static CrashCheck Of(CrashTraffic traffic)
    {
        var check = new CrashCheck(traffic.Sent);
        foreach (var failure in traffic.Failures)
        {
            check.Check(false, $"traffic: {failure}");
        }

        return check;
    }

    /// <summary>Records that repeat an event.</summary>
    public int Duplicates { get; }

    /// <summary>How many interactions each user must have.</summary>
    public IReadOnlyDictionary<string, long> Sequences => _items.ToDictionary(user => user.Key, user => (long)user.Value.Count);

    /// <summary>What is wrong, the first few of it.</summary>
    public IReadOnlyList<string> Violations => _violations;

    /// <summary>Each interaction once, where the broker has it and in its order (INV-1, 4, 5); positions at the ends (INV-2, 3); states that are the fold (INV-7).</summary>
    public async Task JournalAsync(JournalOptions options, string bootstrapServers, string group, int partitions)
    {
        await using var journal = await SegmentJournal.OpenAsync(
            options, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, CancellationToken.None);
        var found = new Dictionary<int, List<(long Offset, string User, string Item, string? EventId)>>();
        var sources = new Dictionary<int, SourcePartition>();
        await foreach (var stored in journal.ReadAsync(0, null, CancellationToken.None))
        {
            sources[stored.Source.Partition] = stored.Source;
            foreach (var entry in stored.Segment.Entries)
            {
                if (!found.TryGetValue(stored.Source.Partition, out var entries))
                {
                    found[stored.Source.Partition] = entries = [];
                }

                entries.Add((entry.Offset, stored.Segment.Users[entry.User], journal.Catalogue[entry.Item].Id, entry.EventId));
            }
        }

        var committed = RawKafka.Committed(bootstrapServers, group, new TopicNames().Interactions, partitions);
        for (var partition = 0; partition < partitions; partition++)
        {
            Compare(partition, found.GetValueOrDefault(partition) ?? []);
            var end = _sent.Keys.Where(key => key.Partition == partition).Select(key => key.Offset + 1).DefaultIfEmpty(0).Max();
            if (!sources.TryGetValue(partition, out var source))
            {
                Check(end == 0, $"INV-1: the journal knows nothing of partition {partition}, the log ends at {end}");
                continue;
            }

            var lease = await journal.AcquireAsync(source, CancellationToken.None);
            Check(lease.NextOffset == end, $"INV-1: the journal's position in partition {partition} is {lease.NextOffset}, the log ends at {end}");
            Check(
                lease.CompletedOffset <= lease.NextOffset && committed[partition] <= lease.CompletedOffset,
                $"INV-2: Kafka has {committed[partition]} committed in partition {partition}, the journal {lease.CompletedOffset} completed of {lease.NextOffset}");
        }

        foreach (var users in _items.Chunk(UsersPerRead))
        {
            var states = await journal.LoadUsersAsync([.. users.Select(user => user.Key)], CancellationToken.None);
            foreach (var ((user, items), state) in users.Zip(states))
            {
                CheckState(journal.Catalogue, user, items, state);
            }
        }
    }

    /// <summary>Every record that cannot be used, byte for byte, and no other (INV-9).</summary>
    public void DeadLetters(string bootstrapServers)
    {
        var unusable = _sent.Where(sent => !sent.Value.IsUsable).ToDictionary();
        var missing = unusable.Keys.ToHashSet();
        foreach (var letter in RawKafka.ReadAll(bootstrapServers, new TopicNames().DeadLetters))
        {
            var place = (Partition: Number("streamrec.error.partition"), Offset: (long)Number("streamrec.error.offset"));
            missing.Remove(place);
            Check(
                unusable.TryGetValue(place, out var record) && letter.Message.Value.AsSpan().SequenceEqual(record.Value),
                $"INV-9: the dead letter of partition {place.Partition}, offset {place.Offset} is not what was sent there, or was usable");

            int Number(string header) => int.Parse(System.Text.Encoding.UTF8.GetString(letter.Message.Headers.GetLastBytes(header)), System.Globalization.CultureInfo.InvariantCulture);
        }

        Check(missing.Count == 0, $"INV-9: {missing.Count} of {unusable.Count} unusable records are not among the dead letters, such as {missing.FirstOrDefault()}");
    }

    /// <summary>Lists that were wrong, and users without their newest one (INV-11, 12, 14, 15).</summary>
    public void Lists(ListWatcher lists)
    {
        foreach (var fault in lists.Faults)
        {
            Check(false, $"INV-12 or 15: {fault}");
        }

        var behind = Sequences.Where(user => lists.Newest(user.Key)?.Sequence != user.Value).ToList();
        var (example, count) = behind.FirstOrDefault();
        Check(
            behind.Count == 0,
            $"INV-14: {behind.Count} users have not their newest list, such as {example}: {lists.Newest(example ?? "")?.Sequence.ToString() ?? "none"}, not {count}");
    }

    /// <summary>The broker still has every record of the topics that are read back: what it had dropped would be taken for lost here, or hide a loss.</summary>
    /// <remarks>Of the lists it may have dropped what the watcher has read.</remarks>
    public async Task NothingDroppedAsync(BrokerProcess broker)
    {
        foreach (var topic in new[] { new TopicNames().Interactions, new TopicNames().DeadLetters })
        {
            var dropped = await broker.DroppedAsync(topic);
            Check(dropped.All(records => records == 0), $"the broker has dropped records of {topic}: {string.Join(' ', dropped)} by partition; give it more partitions");
        }
    }

    public void Check(bool holds, string violation)
    {
        if (!holds && _violations.Count < MostViolations)
        {
            _violations.Add(violation);
        }
    }

    private void CheckState(Catalogue catalogue, string user, List<string> items, BehaviorSequence? state)
    {
        var saved = state?.Entries.ToArray().Select(entry => catalogue[entry.Item].Id).ToArray() ?? [];
        Check(
            state?.Count == items.Count && saved.Length == Math.Min(items.Count, MaxSequence) && saved.SequenceEqual(items.TakeLast(saved.Length)),
            $"INV-7: the state of {user} holds {state?.Count} interactions, {items.Count} were sent, or others");
    }

    private void Compare(int partition, List<(long Offset, string User, string Item, string? EventId)> found)
    {
        var expected = _expected.GetValueOrDefault(partition) ?? [];
        Check(found.Count == expected.Count, $"INV-1, 4: partition {partition} has {found.Count} interactions in the journal, {expected.Count} were sent");
        for (var i = 0; i < Math.Min(found.Count, expected.Count); i++)
        {
            var (offset, record) = expected[i];
            if (found[i] != (offset, record.UserId, record.ItemId, record.EventId))
            {
                Check(false, $"INV-5: interaction {i} of partition {partition} is {found[i]}, sent was {record.EventId} at {offset}");
                break;
            }
        }
    }
}

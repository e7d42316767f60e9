using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.Pipeline.Tests;

/// <summary>Reads a journal at rest and compares it with what was sent.</summary>
internal static class JournalCheck
{
    /// <summary>Every interaction of a sequence file once, each partition without a hole, each user in order; saved states are their fold.</summary>
    public static async Task IsTheFileAsync(JournalOptions options, Dictionary<string, string[]> users, int partitions)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var journal = await SegmentJournal.OpenAsync(
            options, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, cancellationToken);
        var found = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var next = new Dictionary<SourcePartition, long>();
        var count = 0;
        await foreach (var stored in journal.ReadAsync(0, null, cancellationToken))
        {
            foreach (var entry in stored.Segment.Entries)
            {
                Assert.Equal(next.GetValueOrDefault(stored.Source), entry.Offset);
                next[stored.Source] = entry.Offset + 1;
                var user = stored.Segment.Users[entry.User];
                if (!found.TryGetValue(user, out var items))
                {
                    found[user] = items = [];
                }

                items.Add(journal.Catalogue[entry.Item].Id);
                count++;
            }
        }

        Assert.Equal(users.Values.Sum(items => items.Length), count);
        Assert.Equal(partitions, next.Count);
        Assert.Equal(users.Count, found.Count);
        Assert.All(users, user => Assert.Equal(user.Value, found[user.Key]));
        foreach (var (user, items) in users)
        {
            var state = (await journal.LoadUsersAsync([user], cancellationToken))[0]!;
            Assert.Equal(items, state.Entries.ToArray().Select(entry => journal.Catalogue[entry.Item].Id));
            Assert.Equal(items.Length, state.Count);
        }
    }
}

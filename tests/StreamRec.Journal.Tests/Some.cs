using StreamRec.Domain;

namespace StreamRec.Journal.Tests;

/// <summary>Segments and sequences to test with, and what it means that two are the same.</summary>
internal static class Some
{
    public const int Items = 200;

    public static readonly string[] ItemIds = [.. Enumerable.Range(0, Items).Select(i => $"item-{i}")];

    public static SourcePartition Partition(int number = 0) => new("streamrec.interactions", "log-1", number);

    /// <summary>One click per user, at consecutive offsets.</summary>
    public static Segment Clicks(long firstOffset, params string[] users) => new(
        firstOffset,
        firstOffset + users.Length,
        firstOffset,
        users,
        [.. users.Select((_, i) => new SegmentEntry(i, i % Items, InteractionType.Click, firstOffset + i, 1_700_000_000_000 + i, double.NaN, null))]);

    /// <summary>Anything a segment may be: repeated users, gaps, values, event ids, text of every width.</summary>
    public static Segment Random(Random random, long firstOffset, int maxEntries = 40, Func<string>? userId = null)
    {
        var users = Enumerable.Range(0, random.Next(1, 12)).Select(_ => userId?.Invoke() ?? Text(random)).Distinct().ToArray();
        var entries = new SegmentEntry[random.Next(maxEntries + 1)];
        var withValues = random.Next(2) == 0;
        var withEvents = random.Next(2) == 0;
        var withGaps = random.Next(2) == 0;
        var offset = firstOffset + random.Next(3);
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = new SegmentEntry(
                random.Next(users.Length),
                random.Next(Items),
                (InteractionType)random.Next(6),
                offset,
                random.Next(20) == 0 ? random.NextInt64(long.MinValue, long.MaxValue) : 1_700_000_000_000 + random.Next(100_000),
                withValues && random.Next(3) == 0 ? random.Next(-5, 5) / 2.0 : double.NaN,
                withEvents && random.Next(3) > 0 ? Text(random) : null);
            offset += 1 + (withGaps ? random.Next(3) : 0);
        }

        var next = offset + random.Next(3);
        return new Segment(firstOffset, next, random.NextInt64(next + 1), users, entries);
    }

    public static BehaviorSequence Sequence(Random random, string userId, int interactions, bool withEvents)
    {
        var sequence = new BehaviorSequence(userId);
        for (var i = 0; i < interactions; i++)
        {
            sequence.Apply(random.Next(Items), (InteractionType)random.Next(5), random.Next(), withEvents ? $"event-{random.Next()}" : null, 64);
        }

        sequence.Position = interactions;
        return sequence;
    }

    public static void AssertSame(Segment expected, Segment actual)
    {
        Assert.Equal(
            (expected.FirstOffset, expected.NextOffset, expected.CompletedOffset),
            (actual.FirstOffset, actual.NextOffset, actual.CompletedOffset));
        Assert.Equal(expected.Users, actual.Users);
        Assert.Equal(expected.Entries, actual.Entries);
    }

    /// <summary>The same to whoever reads it: the order of the dictionary, and users without entries in it, mean nothing.</summary>
    public static void AssertSameContent(Segment expected, Segment actual)
    {
        Assert.Equal(
            (expected.FirstOffset, expected.NextOffset, expected.CompletedOffset),
            (actual.FirstOffset, actual.NextOffset, actual.CompletedOffset));
        Assert.Equal(Named(expected), Named(actual));
        Assert.Equal(actual.Users.Distinct(), actual.Users);

        static IEnumerable<(string, SegmentEntry)> Named(Segment segment) =>
            segment.Entries.Select(entry => (segment.Users[entry.User], entry with { User = 0 }));
    }

    public static void AssertSame(BehaviorSequence? expected, BehaviorSequence? actual)
    {
        Assert.Equal(expected is null, actual is null);
        if (expected is not null && actual is not null)
        {
            Assert.Equal(
                (expected.UserId, expected.Count, expected.LastTimestampMs, expected.Position),
                (actual.UserId, actual.Count, actual.LastTimestampMs, actual.Position));
            Assert.Equal(expected.Entries.ToArray(), actual.Entries.ToArray());
            Assert.Equal(expected.RecentEvents.ToArray(), actual.RecentEvents.ToArray());
        }
    }

    private static string Text(Random random)
    {
        var alphabet = random.Next(4) == 0 ? "añ漢\U0001F600" : "abcdefghijklmnop0123456789";
        var runes = alphabet.EnumerateRunes().ToArray();
        var length = random.Next(10) == 0 ? random.Next(1, 250) : random.Next(1, 16);
        return string.Concat(Enumerable.Range(0, length).Select(_ => runes[random.Next(runes.Length)].ToString()));
    }
}

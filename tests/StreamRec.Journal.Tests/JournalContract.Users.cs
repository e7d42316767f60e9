using StreamRec.Domain;

namespace StreamRec.Journal.Tests;

/// <summary>User states and forgetting.</summary>
public abstract partial class JournalContract
{
    [Fact]
    public async Task States_read_back_exactly_as_they_were_saved_in_the_order_asked()
    {
        var random = new Random(2);
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var saved = Enumerable.Range(0, 300).Select(i => Some.Sequence(random, $"user-{i}", i, withEvents: i % 3 == 0)).ToList();
        await Journal.SaveUsersAsync(lease, saved, 0, 0, Token);
        string[] asked = [.. Enumerable.Range(0, 2000).Select(_ => $"user-{random.Next(400)}")];

        Check(await Journal.LoadUsersAsync(asked, Token));
        await ReopenAsync();
        Check(await Journal.LoadUsersAsync(asked, Token));

        void Check(IReadOnlyList<BehaviorSequence?> loaded)
        {
            Assert.Equal(asked.Length, loaded.Count);
            for (var i = 0; i < asked.Length; i++)
            {
                Some.AssertSame(saved.Find(sequence => sequence.UserId == asked[i]), loaded[i]);
            }
        }
    }

    [Fact]
    public async Task A_loaded_state_goes_on_as_if_it_had_never_been_saved()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var kept = new BehaviorSequence("a");
        for (var i = 0; i < 300; i++)
        {
            kept.Apply(i % Some.Items, InteractionType.Click, i, $"event-{i}", 50);
        }

        await Journal.SaveUsersAsync(lease, [kept], 0, 0, Token);
        var loaded = (await Journal.LoadUsersAsync(["a"], Token))[0]!;

        Assert.True(loaded.HasSeen("event-299"));
        Assert.False(loaded.HasSeen("event-1"));
        foreach (var sequence in new[] { kept, loaded })
        {
            sequence.Apply(7, InteractionType.Cart, 1000, "event-300", 50);
        }

        Some.AssertSame(kept, loaded);
    }

    [Fact]
    public async Task States_are_read_before_the_call_returns_so_they_may_change_afterwards()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var sequence = new BehaviorSequence("a");
        sequence.Apply(1, InteractionType.Click, 5, null, 50);

        var saving = Journal.SaveUsersAsync(lease, [sequence], 0, 0, Token);
        sequence.Apply(2, InteractionType.Click, 6, null, 50);
        await saving;

        Assert.Equal(1, (await Journal.LoadUsersAsync(["a"], Token))[0]!.Count);
    }

    [Fact]
    public async Task States_cannot_be_folded_or_completed_beyond_the_journal()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token);

        await Assert.ThrowsAsync<ArgumentException>(() => Journal.SaveUsersAsync(lease, [], 2, 0, Token).AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => Journal.SaveUsersAsync(lease, [], 1, 2, Token).AsTask());

        await Journal.SaveUsersAsync(lease, [], 1, 1, Token);
        Assert.Equal((1, 1), ((await Journal.AcquireAsync(Some.Partition(), Token)) is var now ? (now.FoldedPosition, now.CompletedOffset) : default));
    }

    [Fact]
    public async Task Forgetting_removes_one_user_and_leaves_all_others_as_they_were()
    {
        var random = new Random(3);
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var segments = new List<Segment>();
        for (var i = 0; i < 40; i++)
        {
            var first = segments.Count == 0 ? 0 : segments[^1].NextOffset;
            segments.Add(Some.Random(random, first, userId: () => $"user-{random.Next(20)}"));
            await Journal.AppendAsync(lease, segments[^1], Token);
        }

        await Journal.SaveUsersAsync(lease, [new BehaviorSequence("user-5"), new BehaviorSequence("user-6")], 0, 0, Token);

        var receipt = await Journal.ForgetAsync("user-5", [], Token);

        var touched = segments.Where(segment => segment.Users.Contains("user-5")).ToList();
        var removed = touched.Sum(segment => segment.Entries.Count(entry => segment.Users[entry.User] == "user-5"));
        Assert.Equal((removed, touched.Count), (receipt.Interactions, receipt.Segments));
        Assert.Matches("^[0-9a-f]{64}$", receipt.UserFingerprint);

        await ReopenAsync();
        Assert.Equal([null, "user-6"], (await Journal.LoadUsersAsync(["user-5", "user-6"], Token)).Select(user => user?.UserId));
        var read = await ReadAllAsync();
        Assert.Equal(segments.Count, read.Count);
        for (var i = 0; i < read.Count; i++)
        {
            Assert.DoesNotContain("user-5", read[i].Segment.Users);
            Assert.Equal(Named(segments[i]).Where(entry => entry.User != "user-5"), Named(read[i].Segment));
            Assert.Equal((segments[i].FirstOffset, segments[i].NextOffset), (read[i].Segment.FirstOffset, read[i].Segment.NextOffset));
        }

        Assert.Equal(segments.Sum(segment => segment.Entries.Count) - removed, (await Journal.StatisticsAsync(Token)).Interactions);

        static IEnumerable<(string User, SegmentEntry Entry)> Named(Segment segment) =>
            segment.Entries.Select(entry => (segment.Users[entry.User], entry with { User = 0 }));
    }

    [Fact]
    public async Task A_user_whose_append_is_still_on_its_way_is_forgotten_with_it()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);

        var append = Journal.AppendAsync(lease, Some.Clicks(0, "a", "b"), Token).AsTask();
        var save = Journal.SaveUsersAsync(lease, [new BehaviorSequence("a")], 0, 0, Token).AsTask();
        await Journal.ForgetAsync("a", [lease], Token);
        await Task.WhenAll(append, save);

        Assert.Equal(["b"], Assert.Single(await ReadAllAsync()).Segment.Users);
        Assert.Null((await Journal.LoadUsersAsync(["a"], Token))[0]);
        Assert.Equal((1, 0), (await Journal.StatisticsAsync(Token)) is var now ? (now.Interactions, now.Users) : default);
    }

    [Fact]
    public async Task A_user_is_read_with_what_was_saved_and_everything_since()
    {
        var (one, two) = (await Journal.AcquireAsync(Some.Partition(), Token), await Journal.AcquireAsync(Some.Partition(1), Token));
        await Journal.AppendAsync(one, Some.Clicks(0, "a", "b", "a"), Token);
        Assert.Equal(2, (await ReadUserAsync("a"))!.Count);

        var saved = (await ReadUserAsync("a"))!;
        saved.Position = 1;
        await Journal.SaveUsersAsync(one, [saved], 0, 0, Token);
        Assert.Equal(2, (await ReadUserAsync("a"))!.Count);

        await Journal.AppendAsync(two, Some.Clicks(0, "a", "ab", "xa"), Token);
        await Journal.AppendAsync(one, Some.Clicks(3, "b", "a"), Token);
        await Journal.SaveUsersAsync(one, [(await ReadUserAsync("b"))!], 1, 0, Token);
        var read = (await ReadUserAsync("a"))!;
        Assert.Equal((4, 3), (read.Count, (await ReadUserAsync("a", maxSequence: 3))!.Entries.Length));
        Assert.Null(await ReadUserAsync("nobody"));

        ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence = 100) => Journal.ReadUserAsync(userId, maxSequence, Token);
    }

    [Fact]
    public async Task A_lease_holds_until_the_partition_is_acquired_again()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        Assert.True(await Journal.HoldsAsync(lease, Token));

        var newer = await Journal.AcquireAsync(Some.Partition(), Token);

        Assert.Equal((false, true), (await Journal.HoldsAsync(lease, Token), await Journal.HoldsAsync(newer, Token)));
    }

    [Fact]
    public async Task Forgetting_somebody_unknown_is_a_receipt_over_nothing()
    {
        var receipt = await Journal.ForgetAsync("nobody", [], Token);

        Assert.Equal((0, 0), (receipt.Interactions, receipt.Segments));
    }
}

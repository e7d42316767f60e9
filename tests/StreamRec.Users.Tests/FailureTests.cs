using StreamRec.Domain;
using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

public sealed class FailureTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_fenced_shard_closes_quietly_reports_and_writes_nothing_more()
    {
        await using var zombie = await OpenAsync();
        await zombie.ApplyAsync(Clicks(0, "a"));
        await using var owner = await OpenAsync(before: zombie);
        await owner.ApplyAsync(Clicks(1, "a"));
        var segments = owner.Journal.Segments.Count;

        zombie.Deliver(Clicks(1, "b"));
        await zombie.Changes.WaitAsync(() => zombie.Fenced);
        Assert.Null(zombie.Escalated);
        Assert.Equal(segments, owner.Journal.Segments.Count);
        Assert.Equal(Delivery.NotOpen, zombie.Shards.TryDeliver(Clicks(2, "b")));
        await owner.ApplyAsync(Clicks(2, "a"));
        await zombie.CloseAsync();
    }

    [Fact]
    public async Task A_fenced_shard_that_only_saves_is_closed_too()
    {
        await using var zombie = await OpenAsync();
        await zombie.ApplyAsync(Clicks(0, "a"));
        await using var owner = await OpenAsync(before: zombie);
        zombie.Time.Advance(zombie.Options.SaveInterval);
        await zombie.Changes.WaitAsync(() => zombie.Fenced);
        Assert.Equal(0, zombie.Shards.Resident);
        await owner.ApplyAsync(Clicks(1, "a"));
    }

    [Fact]
    public async Task A_shard_with_nothing_to_write_notices_that_it_was_fenced_when_the_journal_is_shared()
    {
        await using var zombie = new Node(journal: changes => new FakeJournal(changes) { MaxSequence = new UsersOptions().MaxSequence, IsShared = true });
        await zombie.Shards.OpenAsync(Source, Cancelled);
        await zombie.ApplyAsync(Clicks(0, "a"));
        await zombie.SaveAsync();
        await using var owner = await OpenAsync(before: zombie);
        Assert.Equal(1, zombie.Shards.Resident);

        zombie.Time.Advance(zombie.Options.SaveInterval);

        await zombie.Changes.WaitAsync(() => zombie.Fenced);
        Assert.Equal(0, zombie.Shards.Resident);
    }

    [Fact]
    public async Task A_partition_that_was_fenced_away_can_be_opened_again()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a"));
        await node.Journal.AcquireAsync(Source, Cancelled);
        node.Deliver(Clicks(1, "a"));
        await node.Changes.WaitAsync(() => node.Fenced);
        await node.Shards.OpenAsync(Source, Cancelled);
        await node.ApplyAsync(Clicks(1, "a"));
        Assert.Equal(2, (await node.ShowAsync("a"))!.Count);
    }

    [Fact]
    public async Task A_failed_append_stops_the_host_and_what_ran_ahead_of_it_is_never_used()
    {
        var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a"));
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(1, "a"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 2);
        node.Deliver(Clicks(2, "a"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 3);
        var failure = new IOException("disk");
        node.Journal.Lose(failure);
        await node.Changes.WaitAsync(() => node.Escalated is not null);
        Assert.Same(failure, node.Escalated);
        Assert.Single(node.Lists.Posted);
        Assert.Equal(1, node.Offsets.Of(Source));
        Assert.Equal(0, node.Shards.Resident);
        await node.CrashAsync(new Random(0));

        await using var next = await OpenAsync(before: node);
        Assert.Equal(1, (await next.ShowAsync("a"))!.Count);
        await next.ApplyAsync(Clicks(1, "a", "a"));
        Assert.Equal(3, (await next.ShowAsync("a"))!.Count);
    }

    [Fact]
    public async Task Inference_that_fails_stops_the_host()
    {
        await using var node = await OpenAsync();
        node.Lists.FailNext = new InvalidOperationException("inference");
        node.Deliver(Clicks(0, "a"));
        await node.Changes.WaitAsync(() => node.Escalated is InvalidOperationException);
        Assert.Equal(0, node.Offsets.Of(Source));
    }

    [Fact]
    public async Task Recovery_reads_the_saved_states_and_only_the_segments_after_them()
    {
        var before = await OpenAsync();
        await before.ApplyAsync(Clicks(0, "a", "b"));
        await before.SaveAsync();
        await before.ApplyAsync(Clicks(2, "b", "c"));
        await before.CrashAsync(new Random(0));

        await using var node = await OpenAsync(before: before);
        Assert.Equal(2, node.Shards.Resident);
        foreach (var user in new[] { "a", "b", "c" })
        {
            Assert.Equal(node.Journal.FoldOf(user).Count, (await node.ShowAsync(user))!.Count);
        }

        await node.ApplyAsync(Clicks(4, "b"));
        await node.SaveAsync();
        Assert.True(FakeJournal.Same(node.Journal.FoldOf("b"), node.Journal.Saved("b")!));
    }

    [Fact]
    public async Task A_state_saved_after_its_segment_does_not_take_it_twice()
    {
        // The slice with "a" is saved, the round is not finished, so the folded position stays behind the state.
        var before = await OpenAsync(new UsersOptions { SaveBatch = 1 });
        await before.ApplyAsync(Clicks(0, "a", "b"));
        before.Time.Advance(before.Options.SaveInterval);
        await before.Changes.WaitAsync(() => before.Journal.Saved("a") is not null);
        await before.CrashAsync(new Random(0));
        await using var node = await OpenAsync(before: before);
        Assert.Equal(1, (await node.ShowAsync("a"))!.Count);
        Assert.Equal(1, (await node.ShowAsync("b"))!.Count);
    }

    [Fact]
    public async Task A_tail_with_more_users_than_the_bound_is_recovered_within_it()
    {
        var before = await OpenAsync();
        await before.ApplyAsync(Clicks(0, [.. Enumerable.Range(0, 300).Select(i => $"u{i}")]));
        await before.CrashAsync(new Random(0));
        await using var node = await OpenAsync(before.Options with { ResidentUsers = 20 }, before);
        Assert.InRange(node.Shards.Resident, 1, 20);
        Assert.Equal(1, (await node.ShowAsync("u7"))!.Count);
        await node.ApplyAsync(Clicks(300, "u7"));
        Assert.Equal(2, (await node.ShowAsync("u7"))!.Count);
    }
}

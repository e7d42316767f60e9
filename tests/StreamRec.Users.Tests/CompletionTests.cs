using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

public sealed class CompletionTests
{
    [Fact]
    public async Task The_completed_offset_does_not_pass_a_list_that_is_not_out()
    {
        await using var node = await OpenAsync();
        node.Lists.PublishAtOnce = false;
        node.Deliver(Clicks(0, "a"));
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 1);
        node.Deliver(Clicks(1, "b", "c"));
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 3);
        node.Deliver(Clicks(3, "d"));
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 4);

        node.Lists.Publish(3);
        node.Lists.Publish(1);
        Assert.Equal(0, node.Offsets.Of(Source));
        node.Lists.Publish(0);
        await node.CompletedAsync(1);
        Assert.Equal(1, node.Offsets.Of(Source));
        node.Lists.Publish(0);
        await node.CompletedAsync(4);
    }

    [Fact]
    public async Task A_superseded_list_counts_as_finished()
    {
        await using var node = await OpenAsync();
        node.Lists.PublishAtOnce = false;
        node.Deliver(Clicks(0, "u"));
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 1);
        node.Deliver(Clicks(1, "u"));
        await node.CompletedAsync(1);
        Assert.Equal(1, node.Lists.Waiting);
        node.Lists.Publish();
        await node.CompletedAsync(2);
    }

    [Fact]
    public async Task The_completed_offset_is_stored_with_the_next_append()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "u", "v"));
        await node.ApplyAsync(Clicks(2, "u"));
        Assert.Equal(2, node.Journal.LeaseOf(Source).CompletedOffset);
    }

    [Fact]
    public async Task The_completed_offset_is_stored_by_the_save_timer_when_nothing_else_changes()
    {
        await using var node = await OpenAsync();
        node.Lists.PublishAtOnce = false;
        node.Deliver(Clicks(0, "u"));
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 1);
        await node.SaveAsync();
        Assert.Equal(0, node.Journal.LeaseOf(Source).CompletedOffset);
        node.Lists.Publish();
        node.Time.Advance(node.Options.SaveInterval);
        await node.Changes.WaitAsync(() => node.Journal.LeaseOf(Source).CompletedOffset == 1);
        Assert.Equal([1, 0], node.Journal.SaveSizes);
    }

    [Fact]
    public async Task Redelivered_records_change_nothing_and_their_users_get_the_list_they_are_owed()
    {
        var before = await OpenAsync();
        before.Lists.PublishAtOnce = false;
        before.Deliver(Clicks(0, "a", "b"));
        await before.Changes.WaitAsync(() => before.Lists.PostedCount == 2);
        await before.CrashAsync(new Random(1));

        await using var node = new Node(before: before);
        var from = await node.Shards.OpenAsync(Source, TestContext.Current.CancellationToken);
        Assert.Equal(0, from);
        await node.ApplyAsync(Clicks(0, "a", "b", "a"));
        Assert.Equal([("a", 2L, 2L), ("b", 1L, 1L)], node.Lists.Posted.Select(list => (list.UserId, list.Sequence, list.Cause.Offset)));
        Assert.Equal([(0L, 2L), (2L, 3L)], node.Journal.Segments.Select(s => (s.Segment.FirstOffset, s.Segment.NextOffset)));
        Assert.Single(node.Observer.Seen);
    }

    [Fact]
    public async Task Records_below_the_completed_offset_are_owed_nothing()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a", "b"));
        node.Deliver(Clicks(0, "a", "b"));
        await node.ApplyAsync(Clicks(2, "c"));
        Assert.Equal(3, node.Lists.Posted.Count);
    }

    [Fact]
    public async Task A_redelivered_batch_that_moves_no_position_is_not_appended()
    {
        var before = await OpenAsync();
        before.Lists.PublishAtOnce = false;
        before.Deliver(Clicks(0, "a", "b"));
        await before.Changes.WaitAsync(() => before.Lists.PostedCount == 2);
        await before.CrashAsync(new Random(1));

        await using var node = await OpenAsync(before: before);
        await node.ApplyAsync(Clicks(0, "a"));
        Assert.Equal(1, node.Journal.AppendsIssued);
        Assert.Equal(1, node.Offsets.Of(Source));
    }

    [Fact]
    public async Task A_list_that_finishes_after_the_partition_was_lost_completes_nothing()
    {
        await using var node = await OpenAsync();
        node.Lists.PublishAtOnce = false;
        node.Deliver(Clicks(0, "a"));
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 1);
        await node.Journal.AcquireAsync(Source, TestContext.Current.CancellationToken);
        node.Deliver(Clicks(1, "b"));
        await node.Changes.WaitAsync(() => node.Fenced);
        node.Lists.Publish();
        Assert.Equal(0, node.Offsets.Of(Source));
    }
}

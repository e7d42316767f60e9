using StreamRec.Domain;
using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

public sealed class TurnTests
{
    [Fact]
    public async Task Interactions_of_a_user_are_applied_and_observed_in_offset_order()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Batch(0, 4, Record(0, "u", "a"), Record(1, "v", "b"), Record(2, "u", "c"), Record(3, "u", "a")));
        await node.ApplyAsync(Batch(4, 5, Record(4, "u", "b")));

        var shown = (await node.ShowAsync("u"))!;
        Assert.Equal([0, 2, 0, 1], Items(node, shown.Entries.ToArray()));
        Assert.Equal(["u", "v", "u", "u", "u"], node.Observer.Seen.Select(seen => seen.UserId));
        var last = node.Observer.Seen[^1];
        Assert.Equal(1, last.Entry.Item);
        Assert.Equal([0, 2, 0], Items(node, last.Before));
    }

    [Fact]
    public async Task A_turn_asks_for_one_list_for_each_touched_user_with_its_newest_window_and_last_cause()
    {
        await using var node = await OpenAsync(new UsersOptions { K = 7 });
        await node.ApplyAsync(Batch(0, 3, Record(0, "u", "a"), Record(1, "v", "b"), Record(2, "u", "c", eventId: "e9")));

        Assert.Equal(["u", "v"], node.Lists.Posted.Select(list => list.UserId));
        var list = node.Lists.Posted[0];
        Assert.Equal(2, list.Sequence);
        Assert.Equal(2, list.History.Length);
        Assert.Equal(7, list.K);
        Assert.Equal((2L, "e9", (SourcePartition?)Source), (list.Cause.Offset, list.Cause.EventId, list.Cause.Source));
        Assert.True(list.Supersedes);
    }

    [Fact]
    public async Task A_turn_costs_one_load_one_addition_of_items_and_one_append()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a", "b", "c", "a", "b"));
        Assert.Equal((1, 1, 1), (node.Journal.Loads, node.Journal.ItemAdditions, node.Journal.AppendsIssued));
    }

    [Fact]
    public async Task Batches_that_wait_together_become_one_turn_up_to_the_bound()
    {
        await using var node = await OpenAsync(new UsersOptions { TurnInteractions = 4, CommitsInFlight = 1 });
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(0, "a", "b"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 1);
        node.Deliver(Clicks(2, "c"));
        node.Deliver(Clicks(3, "a", "b"));
        node.Deliver(Clicks(5, "a", "b"));
        node.Deliver(Clicks(7, "a", "b"));
        node.Deliver(Clicks(9, "a", "b"));
        node.Journal.HoldAppends = false;
        node.Journal.ReleaseAppend();
        await node.CompletedAsync(11);
        Assert.All(node.Journal.Segments, stored => Assert.InRange(stored.Segment.Entries.Count, 1, 4));
        Assert.InRange(node.Journal.Segments.Count, 4, 5);
    }

    [Fact]
    public async Task An_event_id_seen_before_is_not_applied_and_asks_for_nothing()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Batch(0, 1, Record(0, "u", "a", eventId: "e1")));
        await node.ApplyAsync(Batch(1, 4, Record(1, "u", "a", eventId: "e1"), Record(2, "v", "a", eventId: "e1"), Record(3, "u", "a")));

        Assert.Equal(2, (await node.ShowAsync("u"))!.Count);
        Assert.Equal(1, (await node.ShowAsync("v"))!.Count);
        await node.ApplyAsync(Batch(4, 5, Record(4, "u", "a", eventId: "e1")));
        Assert.Equal(3, node.Lists.Posted.Count);
        Assert.Equal(5, node.Journal.Segments[^1].Segment.NextOffset);
        Assert.Empty(node.Journal.Segments[^1].Segment.Entries);
    }

    [Fact]
    public async Task A_batch_without_usable_records_moves_the_position()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Batch(0, 10));
        await node.ApplyAsync(Batch(12, 20, Record(15, "u", "a")));
        Assert.Equal([(0, 10), (10, 20)], node.Journal.Segments.Select(s => (s.Segment.FirstOffset, s.Segment.NextOffset)));
    }

    [Fact]
    public async Task A_batch_is_not_committed_before_its_dead_letters_are_durable()
    {
        await using var node = await OpenAsync();
        var deadLettered = new TaskCompletionSource();
        node.Deliver(Batch(0, 2, Record(0, "u", "a")) with { DeadLettered = deadLettered.Task });
        node.Deliver(Clicks(2, "v"));

        // The users are loaded: the turn has begun and goes no further.
        await node.Changes.WaitAsync(() => node.Journal.Loads == 1);
        Assert.Equal(0, node.Journal.AppendsIssued);
        deadLettered.SetResult();
        await node.CompletedAsync(3);
        Assert.Equal(0, node.Journal.Segments[0].Segment.FirstOffset);
    }

    [Fact]
    public async Task Dead_letters_that_cannot_be_written_stop_the_host_before_the_commit()
    {
        await using var node = await OpenAsync();
        node.Deliver(Batch(0, 2) with { DeadLettered = Task.FromException(new IOException("broker")) });
        await node.Changes.WaitAsync(() => node.Escalated is not null);
        Assert.Equal(0, node.Journal.AppendsIssued);
    }

    [Fact]
    public async Task The_next_turn_is_decided_while_the_commit_before_it_is_held()
    {
        await using var node = await OpenAsync(new UsersOptions { CommitsInFlight = 3 });
        node.Journal.HoldAppends = true;
        for (var i = 0; i < 3; i++)
        {
            node.Deliver(Clicks(i, "u"));
            await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == i + 1);
        }

        Assert.Empty(node.Journal.Segments);
        Assert.Empty(node.Lists.Posted);
        Assert.Empty(node.Observer.Seen);

        // A fourth is decided but not issued: three commits may be under way.
        node.Deliver(Clicks(3, "u"));
        Assert.Equal(3, node.Journal.AppendsIssued);
        node.Journal.ReleaseAppend();
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 4);
        while (node.Journal.ReleaseAppend())
        {
            // In order.
        }

        await node.CompletedAsync(4);
        Assert.Equal([1L, 2, 3, 4], node.Lists.Posted.Select(list => list.Sequence));
        Assert.Equal([1, 2, 3, 4], node.Lists.Posted.Select(list => list.History.Length));
    }

    [Fact]
    public async Task A_full_mailbox_refuses_a_batch_and_nothing_is_lost()
    {
        await using var node = await OpenAsync(new UsersOptions { MailboxBatches = 2, CommitsInFlight = 1, TurnInteractions = 1 });
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(0, "u"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 1);
        long next = 1;
        while (node.Shards.TryDeliver(Clicks(next, "u")) == Delivery.Taken)
        {
            next++;
        }

        // One in commit, one decided and waiting, two in the mailbox, at most.
        Assert.InRange(next, 3, 4);
        node.Journal.HoldAppends = false;
        node.Journal.ReleaseAppend();
        await node.CompletedAsync(next);
        await node.ApplyAsync(Clicks(next, "u"));
        Assert.Equal(next + 1, (await node.ShowAsync("u"))!.Count);
    }

    [Fact]
    public async Task Inference_without_room_holds_back_the_shard_and_at_last_ingest()
    {
        await using var node = await OpenAsync(new UsersOptions { MailboxBatches = 1, CommitsInFlight = 1 });
        node.Lists.PublishAtOnce = false;
        node.Lists.Capacity = 1;
        node.Deliver(Clicks(0, "a", "b"));
        await node.Changes.WaitAsync(() => node.Lists.Blocked == 1);
        long next = 2;
        while (node.Shards.TryDeliver(Clicks(next, "c")) == Delivery.Taken)
        {
            next++;
        }

        Assert.InRange(next, 3, 4);
        Assert.Equal(1, node.Journal.AppendsIssued);
        node.Lists.PublishAtOnce = true;
        node.Lists.PublishAll();
        await node.CompletedAsync(next);
    }

    [Fact]
    public async Task The_history_keeps_the_newest_up_to_the_capacity_and_the_observer_sees_no_more()
    {
        await using var node = await OpenAsync(new UsersOptions { MaxSequence = 3 });
        await node.ApplyAsync(Clicks(0, "u", "u"));
        await node.ApplyAsync(Clicks(2, "u", "u", "u", "u"));
        var shown = (await node.ShowAsync("u"))!;
        Assert.Equal(6, shown.Count);
        Assert.Equal([3, 4, 5], Items(node, shown.Entries.ToArray()));
        Assert.Equal([3, 4, 5], Items(node, node.Lists.Posted[^1].History.ToArray()));
        Assert.Equal([2, 3, 4], Items(node, node.Observer.Seen[^1].Before));
        Assert.Equal([0, 1], Items(node, node.Observer.Seen[2].Before));
    }

    [Fact]
    public async Task Impressions_are_kept_and_ask_for_no_list()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Batch(0, 1, Record(0, "u", "a", InteractionType.Impression)));
        Assert.Empty(node.Lists.Posted);
        Assert.Equal(1, (await node.ShowAsync("u"))!.Count);
        Assert.Single(node.Observer.Seen);
    }

    [Fact]
    public async Task Without_lists_for_interactions_a_turn_is_finished_when_it_is_durable()
    {
        await using var node = await OpenAsync(new UsersOptions { RecommendOn = RecommendOn.RequestsOnly });
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(0, "u"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 1);
        Assert.Equal(0, node.Offsets.Of(Source));
        node.Journal.ReleaseAppend();
        await node.CompletedAsync(1);
        Assert.Empty(node.Lists.Posted);
    }

    private static int[] Items(Node node, SequenceEntry[] entries)
    {
        Assert.All(entries, entry => Assert.InRange(entry.Item, 0, node.Journal.Catalogue.Count - 1));
        return [.. entries.Select(entry => entry.Item)];
    }
}

using StreamRec.Domain;
using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

/// <summary>The fake journal compares every saved state with the fold of the durable segments, so each test here checks that too.</summary>
public sealed class SavingTests
{
    [Fact]
    public async Task Changed_users_are_saved_behind_the_segments_once_in_each_interval()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a", "b"));
        Assert.Empty(node.Journal.SaveSizes);
        await node.SaveAsync();
        await node.ApplyAsync(Clicks(2, "b"));
        await node.SaveAsync();
        Assert.Equal([2, 1], node.Journal.SaveSizes);
        Assert.Equal(2, node.Journal.Saved("b")!.Count);
        Assert.Equal(2, node.Journal.LeaseOf(Source).FoldedPosition);
    }

    [Fact]
    public async Task Many_users_are_saved_in_slices_and_the_folded_position_rises_with_the_last()
    {
        await using var node = await OpenAsync(new UsersOptions { SaveBatch = 3 });
        await node.ApplyAsync(Clicks(0, "a", "b", "c", "d", "e", "f", "g"));
        await node.SaveAsync();
        Assert.Equal([3, 3, 1], node.Journal.SaveSizes);
    }

    [Fact]
    public async Task Turns_go_on_while_a_save_is_being_written()
    {
        await using var node = await OpenAsync(new UsersOptions { SaveBatch = 1 });
        await node.ApplyAsync(Clicks(0, "a", "b"));
        var gate = new TaskCompletionSource();
        node.Journal.SaveGate = gate.Task;
        node.Time.Advance(node.Options.SaveInterval);
        await node.ShowAsync("a");
        await node.ApplyAsync(Clicks(2, "a", "b", "a"));
        gate.SetResult();
        await node.Changes.WaitAsync(() => node.Journal.LeaseOf(Source).FoldedPosition == 1);
        Assert.Null(node.Escalated);
        await node.SaveAsync();
        Assert.Equal(3, node.Journal.Saved("a")!.Count);
    }

    [Fact]
    public async Task A_state_ahead_of_the_journal_is_not_saved_until_its_commit_is_durable()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a"));
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(1, "a"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 2);
        node.Time.Advance(node.Options.SaveInterval);
        Assert.Empty(node.Journal.SaveSizes);
        node.Journal.ReleaseAppend();
        await node.Changes.WaitAsync(() => node.Journal.LeaseOf(Source).FoldedPosition == 2);
        Assert.Equal(2, node.Journal.Saved("a")!.Count);
    }

    [Fact]
    public async Task Ticks_that_gathered_during_a_long_stall_count_as_one()
    {
        await using var node = new Node(new UsersOptions { CommitsInFlight = 1 }, journal: changes => new FakeJournal(changes) { IsShared = true, HoldAppends = true });
        await node.Shards.OpenAsync(Source, TestContext.Current.CancellationToken);
        node.Deliver(Clicks(0, "a"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 1);
        node.Deliver(Clicks(1, "b"));
        await node.Changes.WaitAsync(() => node.Journal.Loads == 2);
        node.Time.Advance(1000 * node.Options.SaveInterval);

        node.Journal.HoldAppends = false;
        node.Journal.ReleaseAppend();
        await node.Changes.WaitAsync(() => node.Journal.LeaseOf(Source).FoldedPosition == 2);
        Assert.InRange(node.Journal.LeaseChecks, 1, 3);
        Assert.Null(node.Escalated);
    }

    [Fact]
    public async Task More_users_than_the_bound_are_passivated_and_come_back_as_they_were()
    {
        await using var node = await OpenAsync(new UsersOptions { ResidentUsers = 10 });
        long offset = 0;
        for (var round = 0; round < 3; round++)
        {
            for (var user = 0; user < 50; user++)
            {
                await node.ApplyAsync(Clicks(offset++, $"u{user}"));

                // Answered after the turn is over.
                await node.ShowAsync($"u{user}");
                Assert.InRange(node.Shards.Resident, 1, 10);
            }
        }

        for (var user = 0; user < 50; user++)
        {
            Assert.Equal(3, (await node.ShowAsync($"u{user}"))!.Count);
        }
    }

    [Fact]
    public async Task A_user_in_use_stays_and_an_idle_one_goes()
    {
        await using var node = await OpenAsync(new UsersOptions { ResidentUsers = 16 });
        long offset = 0;
        for (var user = 0; user < 200; user++)
        {
            await node.ApplyAsync(Clicks(offset, "hot", $"u{user}"));
            offset += 2;
        }

        // Loaded once, when it was new; everybody else has come once too.
        Assert.Equal(200, node.Journal.Loads);
        Assert.Equal(200, (await node.ShowAsync("hot"))!.Count);
    }

    [Fact]
    public async Task A_failed_save_stops_the_host()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "a"));
        node.Journal.FailNextSave = new IOException("disk");
        node.Time.Advance(node.Options.SaveInterval);
        await node.Changes.WaitAsync(() => node.Escalated is IOException);
    }

    [Fact]
    public async Task Closing_finishes_what_was_delivered_saves_everything_and_waits_for_lists()
    {
        await using var node = await OpenAsync(new UsersOptions { MailboxBatches = 4 });
        node.Lists.PublishAtOnce = false;
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(0, "a"));
        node.Deliver(Clicks(1, "b"));
        var closing = node.CloseAsync();
        Assert.Equal(Delivery.NotOpen, node.Shards.TryDeliver(Clicks(2, "c")));
        node.Journal.HoldAppends = false;
        while (!closing.IsCompleted)
        {
            node.Journal.ReleaseAppend();
            node.Lists.PublishAll();
            await Task.Yield();
        }

        await closing;
        var lease = node.Journal.LeaseOf(Source);
        Assert.Equal((2, 2, node.Journal.Segments[^1].Position), (lease.NextOffset, lease.CompletedOffset, lease.FoldedPosition));
        Assert.Equal((1, 1), (node.Journal.Saved("a")!.Count, node.Journal.Saved("b")!.Count));
        Assert.Equal(0, node.Shards.Resident);
    }

    [Fact]
    public async Task Closing_does_not_wait_for_ever_for_a_list()
    {
        await using var node = await OpenAsync();
        node.Lists.PublishAtOnce = false;
        node.Deliver(Clicks(0, "a"));
        var closing = node.CloseAsync();
        await node.Time.WaitForTimerAsync(node.Options.CloseTimeout);
        node.Time.Advance(node.Options.CloseTimeout);
        await closing;
        var lease = node.Journal.LeaseOf(Source);
        Assert.Equal((1, 0, 1), (lease.NextOffset, lease.CompletedOffset, lease.FoldedPosition));
    }

    [Fact]
    public async Task A_partition_that_is_not_open_is_closed_quietly_and_takes_nothing()
    {
        await using var node = new Node();
        await node.CloseAsync();
        Assert.Equal(Delivery.NotOpen, node.Shards.TryDeliver(Clicks(0, "a")));
    }
}

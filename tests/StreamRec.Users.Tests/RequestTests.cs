using StreamRec.Domain;
using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

public sealed class RequestTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_is_posted_behind_the_turns_before_it_with_its_own_settings()
    {
        await using var node = await OpenAsync();
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(0, "u"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 1);
        Recommendation? answer = null;
        await node.Shards.RecommendAsync("u", 3, [9], "r1", "trace", list => answer = list, Cancelled);
        Assert.Empty(node.Lists.Posted);
        node.Journal.ReleaseAppend();
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 2);

        var request = node.Lists.Posted[1];
        Assert.Equal(("u", 1L, 1, 3, "r1", "trace"), (request.UserId, request.Sequence, request.History.Length, request.K, request.Cause.RequestId, request.Cause.TraceParent));
        Assert.Equal([9], request.Exclude);
        Assert.False(request.Supersedes);
        Assert.Null(answer);
    }

    [Fact]
    public async Task A_request_for_an_unknown_user_is_asked_with_an_empty_history()
    {
        await using var node = await OpenAsync();
        await node.Shards.RecommendAsync("nobody", 3, [], "r1", null, _ => { }, Cancelled);
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 1);
        Assert.Equal((0L, 0), (node.Lists.Posted[0].Sequence, node.Lists.Posted[0].History.Length));
        Assert.Equal(0, node.Shards.Resident);
        Assert.Null(await node.ShowAsync("nobody"));
    }

    [Fact]
    public async Task A_user_is_found_in_whichever_partition_it_lives()
    {
        await using var node = await OpenAsync();
        node.Shards.Partitions = 3;
        for (var partition = 1; partition < 3; partition++)
        {
            var source = Source with { Partition = partition };
            await node.Shards.OpenAsync(source, Cancelled);
            node.Deliver(Batch(0, 4, Record(0, $"u{partition}", "a")) with { Source = source });
        }

        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 2);
        Assert.Equal(1, (await node.ShowAsync("u1"))!.Count);
        Assert.Equal(1, (await node.ShowAsync("u2"))!.Count);
    }

    [Fact]
    public async Task A_user_that_no_open_shard_has_is_read_from_the_journal()
    {
        var before = await OpenAsync();
        await before.ApplyAsync(Clicks(0, "u"));
        await before.CloseAsync();
        await before.DisposeAsync();

        await using var node = new Node(before: before);
        Assert.Equal(1, (await node.ShowAsync("u"))!.Count);
        await node.Shards.RecommendAsync("u", 3, [], "r1", null, _ => { }, Cancelled);
        Assert.Equal(1, node.Lists.Posted.Single().Sequence);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_user_whom_another_node_has_in_memory_is_answered_for_with_everything_durable(bool placeIsOpen)
    {
        await using var owner = new Node(journal: changes => new FakeJournal(changes) { MaxSequence = new UsersOptions().MaxSequence, IsShared = true });
        await owner.Shards.OpenAsync(Source, Cancelled);
        await owner.ApplyAsync(Clicks(0, "u", "u", "u"));
        await using var node = new Node(before: owner);
        if (placeIsOpen)
        {
            await node.Shards.OpenAsync(Source with { Topic = "other" }, Cancelled);
        }

        Assert.Null(owner.Journal.Saved("u"));
        Assert.Equal(3, (await node.ShowAsync("u"))!.Count);
        await node.Shards.RecommendAsync("u", 3, [], "r1", null, _ => { }, Cancelled);
        await node.Changes.WaitAsync(() => node.Lists.PostedCount == 1);
        Assert.Equal(3, node.Lists.Posted.Single().Sequence);
    }

    [Fact]
    public async Task A_forgotten_user_begins_again_from_nothing()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "u", "v", "u"));
        await node.SaveAsync();
        await node.ApplyAsync(Clicks(3, "u"));
        var receipt = await node.Shards.ForgetAsync("u", Cancelled);
        Assert.Equal((3, 2), (receipt.Interactions, receipt.Segments));
        Assert.Null(await node.ShowAsync("u"));
        Assert.Null(node.Journal.Saved("u"));

        await node.ApplyAsync(Clicks(4, "u"));
        Assert.Equal(1, (await node.ShowAsync("u"))!.Count);
        Assert.Equal((1L, 1), (node.Lists.Posted[^1].Sequence, node.Lists.Posted[^1].History.Length));
        await node.SaveAsync();
        Assert.Equal(1, node.Journal.Saved("u")!.Count);
    }

    [Fact]
    public async Task Forgetting_waits_for_commits_and_saves_that_would_bring_the_user_back()
    {
        await using var node = await OpenAsync();
        await node.ApplyAsync(Clicks(0, "u"));
        var gate = new TaskCompletionSource();
        node.Journal.SaveGate = gate.Task;
        node.Time.Advance(node.Options.SaveInterval);
        await node.ShowAsync("u");
        node.Journal.HoldAppends = true;
        node.Deliver(Clicks(1, "u"));
        await node.Changes.WaitAsync(() => node.Journal.AppendsIssued == 2);
        var forgetting = node.Shards.ForgetAsync("u", Cancelled);
        node.Journal.ReleaseAppend();
        Assert.False(forgetting.IsCompleted);
        gate.SetResult();
        Assert.Equal(2, (await forgetting).Interactions);
        Assert.Null(node.Journal.Saved("u"));
    }

    [Fact]
    public async Task A_redelivered_record_of_a_forgotten_user_is_owed_nothing()
    {
        var before = await OpenAsync();
        before.Lists.PublishAtOnce = false;
        before.Deliver(Clicks(0, "u"));
        await before.Changes.WaitAsync(() => before.Lists.PostedCount == 1);
        await before.Shards.ForgetAsync("u", Cancelled);
        await before.CrashAsync(new Random(0));
        await using var node = await OpenAsync(before: before);
        await node.ApplyAsync(Clicks(0, "u"));
        Assert.Empty(node.Lists.Posted);
        Assert.Equal(1, node.Offsets.Of(Source));
    }

    [Fact]
    public async Task A_user_of_no_open_partition_is_forgotten_in_the_journal()
    {
        await using var node = new Node();
        Assert.Equal(0, (await node.Shards.ForgetAsync("u", Cancelled)).Interactions);
    }
}

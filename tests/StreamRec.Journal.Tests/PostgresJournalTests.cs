using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using StreamRec.Actors.Tests;
using StreamRec.Domain;

namespace StreamRec.Journal.Tests;

/// <summary>The contract on PostgreSQL, and what only a database can do: be shared, be away, be asked what became of a commit.</summary>
[Collection(nameof(PostgresServer))]
public sealed class PostgresJournalTests(PostgresFixture server) : JournalContract
{
    private readonly string _schema = server.Missing is null ? server.NewSchema() : "";

    protected override Task<IJournal> OpenAsync(int maxItems) => OpenAsync(_schema, maxItems, JoinSegments);

    protected override async Task DamageSegmentAsync(long position)
    {
        await using var connection = new NpgsqlConnection(_schema);
        await connection.OpenAsync(Token);
        await using var command = new NpgsqlCommand($"UPDATE segments SET payload = set_byte(payload, 20, get_byte(payload, 20) # 255) WHERE position = {position}", connection);
        Assert.Equal(1, await command.ExecuteNonQueryAsync(Token));
    }

    public override ValueTask InitializeAsync()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        return base.InitializeAsync();
    }

    [Fact]
    public async Task Nodes_agree_on_item_numbers_and_read_each_others_users()
    {
        await using var other = await OpenAsync(_schema, 1000);
        await Journal.AddItemsAsync(["mine"], Token);
        await other.AddItemsAsync(["its", "mine"], Token);
        var lease = await other.AcquireAsync(Some.Partition(), Token);
        var sequence = new BehaviorSequence("a");
        sequence.Apply(Some.Items + 1, InteractionType.Click, 5, null, 50);
        var position = await other.AppendAsync(lease, Some.Clicks(0, "a"), Token);
        await other.SaveUsersAsync(lease, [sequence], position, 1, Token);

        Some.AssertSame(sequence, (await Journal.LoadUsersAsync(["a"], Token))[0]);

        Assert.Equal((Some.Items, Some.Items + 1), (Number(Journal, "mine"), Number(Journal, "its")));
        Assert.Equal((Some.Items, Some.Items + 1), (Number(other, "mine"), Number(other, "its")));
        Assert.Single(await ReadAllAsync());

        static int Number(IJournal journal, string itemId) => journal.Catalogue.TryGetNumber(itemId, out var number) ? number : -1;
    }

    [Fact]
    public async Task A_node_that_lost_its_partition_to_another_is_fenced()
    {
        await using var other = await OpenAsync(_schema, 1000);
        var mine = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(mine, Some.Clicks(0, "a"), Token);
        var its = await other.AcquireAsync(Some.Partition(), Token);

        await Assert.ThrowsAsync<FencedException>(() => Journal.AppendAsync(mine, Some.Clicks(1, "b"), Token).AsTask());
        await Assert.ThrowsAsync<FencedException>(() => Journal.SaveUsersAsync(mine, [new BehaviorSequence("a")], 1, 0, Token).AsTask());

        Assert.Equal((2, 1), (its.Epoch, its.NextOffset));
        await other.AppendAsync(its, Some.Clicks(1, "c"), Token);
        Assert.Equal([1, 2], (await ReadAllAsync()).Select(segment => segment.Position));
    }

    [Fact]
    public async Task A_node_that_lost_its_partition_does_not_join_its_segments()
    {
        await using var former = await OpenAsync(_schema, 1000, joinSegments: 16);
        var (lost, kept) = (await former.AcquireAsync(Some.Partition(), Token), await former.AcquireAsync(Some.Partition(1), Token));
        for (var i = 0; i < 15; i++)
        {
            await former.AppendAsync(lost, Some.Clicks(i, "a"), Token);
        }

        await former.SaveUsersAsync(lost, [], foldedPosition: 15, completedOffset: 0, Token);
        var newer = await Journal.AcquireAsync(Some.Partition(), Token);
        await AppendKeptAsync(0, 32);
        Assert.Equal(15 + 32, (await Journal.StatisticsAsync(Token)).Segments);

        // What it still owns, it joins; those of the other are joined by their new owner.
        await former.SaveUsersAsync(kept, [], foldedPosition: 47, completedOffset: 0, Token);
        await AppendKeptAsync(32, 40);
        Assert.InRange((await Journal.StatisticsAsync(Token)).Segments, 15 + 1, 15 + 1 + 40);
        Assert.Equal(87, (await ReadAllAsync()).Count);
        JoinSegments = 16;
        await ReopenAsync();
        for (var i = 15; i < 33; i++)
        {
            await Journal.AppendAsync(newer, Some.Clicks(i, "b"), Token);
            await Journal.SaveUsersAsync(newer, [], foldedPosition: 72 + i, completedOffset: 0, Token);
        }

        Assert.InRange((await Journal.StatisticsAsync(Token)).Segments, 42, 60);
        Assert.Equal(Enumerable.Range(1, 105).Select(i => (long)i), (await ReadAllAsync()).Select(s => s.Position));

        async Task AppendKeptAsync(int from, int count)
        {
            for (var i = from; i < from + count; i++)
            {
                await former.AppendAsync(kept, Some.Clicks(i, "a"), Token);
            }
        }
    }

    [Fact]
    public async Task Forgetting_fences_the_other_nodes_that_may_have_the_user_in_memory_and_nobody_else()
    {
        await using var other = await OpenAsync(_schema, 1000);
        var mine = await Journal.AcquireAsync(Some.Partition(), Token);
        var (its, unconcerned) = (await other.AcquireAsync(Some.Partition(1), Token), await other.AcquireAsync(Some.Partition(2), Token));
        await Journal.AppendAsync(mine, Some.Clicks(0, "a"), Token);
        await other.AppendAsync(its, Some.Clicks(0, "a", "b"), Token);
        await other.AppendAsync(unconcerned, Some.Clicks(0, "b"), Token);

        await Journal.ForgetAsync("a", [mine], Token);

        await Assert.ThrowsAsync<FencedException>(() => other.SaveUsersAsync(its, [new BehaviorSequence("a")], 2, 0, Token).AsTask());
        Assert.False(await other.HoldsAsync(its, Token));
        await Journal.AppendAsync(mine, Some.Clicks(1, "a"), Token);
        await other.AppendAsync(unconcerned, Some.Clicks(1, "b"), Token);
        var again = await other.AcquireAsync(Some.Partition(1), Token);
        Assert.Equal((its.Epoch + 2, 2), (again.Epoch, again.NextOffset));
        Assert.Null((await other.LoadUsersAsync(["a"], Token))[0]);
    }

    [Fact]
    public async Task A_lease_that_was_fenced_by_forgetting_is_refused_and_the_partition_is_acquired_again()
    {
        var (mine, its) = (await Journal.AcquireAsync(Some.Partition(), Token), await Journal.AcquireAsync(Some.Partition(1), Token));
        await Journal.AppendAsync(its, Some.Clicks(0, "a"), Token);

        await Journal.ForgetAsync("a", [mine], Token);
        var append = Journal.AppendAsync(its, Some.Clicks(1, "a"), Token).AsTask();
        var next = Journal.AcquireAsync(Some.Partition(1), Token).AsTask();

        await Assert.ThrowsAsync<FencedException>(() => append);
        Assert.Equal(its.Epoch + 2, (await next).Epoch);
    }

    [Fact]
    public async Task Positions_of_several_writing_nodes_follow_the_order_of_their_commits()
    {
        await using var other = await OpenAsync(_schema, 1000);
        var positions = await Task.WhenAll(new[] { Journal, other }.Select(async (journal, node) =>
        {
            var lease = await journal.AcquireAsync(Some.Partition(node), Token);
            var mine = new List<long>();
            for (var i = 0; i < 60; i++)
            {
                mine.Add(await journal.AppendAsync(lease, Some.Clicks(i, "a"), Token));
                // What was acknowledged is there for every reader, and nothing below it is still to come.
                Assert.Equal(Enumerable.Range(1, (int)mine[^1]).Select(n => (long)n), (await ReadAllAsync()).Select(s => s.Position).TakeWhile(p => p <= mine[^1]));
            }

            return mine;
        }));

        Assert.Equal(Enumerable.Range(1, 120).Select(i => (long)i), positions.SelectMany(mine => mine).Order());
    }

    [Fact]
    public async Task Whoever_had_the_journal_before_it_was_opened_alone_is_fenced()
    {
        var options = new JournalOptions { ConnectionString = server.NewSchema() };
        PartitionLease lease;
        await using (var former = await SegmentJournal.OpenAsync(options, JournalAccess.Shared, TimeProvider.System, NullLogger.Instance, Token))
        {
            lease = await former.AcquireAsync(Some.Partition(), Token);
        }

        // A server may lose its session, and with it the lock, while it has nothing to write, and have users in memory all the same.
        await (await SegmentJournal.OpenAsync(options, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, Token)).DisposeAsync();

        await using var again = await SegmentJournal.OpenAsync(options, JournalAccess.Shared, TimeProvider.System, NullLogger.Instance, Token);
        Assert.False(await again.HoldsAsync(lease, Token));
    }

    [Theory]
    [InlineData(JournalAccess.Exclusive, JournalAccess.Shared)]
    [InlineData(JournalAccess.Shared, JournalAccess.Exclusive)]
    [InlineData(JournalAccess.Exclusive, JournalAccess.Exclusive)]
    public async Task Who_wants_a_journal_alone_waits_for_the_others_and_is_refused_when_they_stay(JournalAccess first, JournalAccess second)
    {
        var schema = server.NewSchema();
        var options = new JournalOptions { ConnectionString = schema };
        var time = new FakeTimeProvider();
        await using var holder = await SegmentJournal.OpenAsync(options, first, TimeProvider.System, NullLogger.Instance, Token);
        Assert.Equal(first == JournalAccess.Shared, holder.IsShared);

        var refused = SegmentJournal.OpenAsync(options, second, time, NullLogger.Instance, Token);
        while (!refused.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.Contains("in use", (await Assert.ThrowsAsync<JournalInUseException>(() => refused)).Message, StringComparison.Ordinal);

        var opening = SegmentJournal.OpenAsync(options, second, TimeProvider.System, NullLogger.Instance, Token);
        await holder.DisposeAsync();
        await using var opened = await opening;
        await opened.AcquireAsync(Some.Partition(), Token);
    }

    private static Task<IJournal> OpenAsync(string schema, int maxItems, int joinSegments = 4096) => SegmentJournal.OpenAsync(
        new JournalOptions { ConnectionString = schema, MaxItems = maxItems, JoinSegments = joinSegments }, JournalAccess.Shared, TimeProvider.System, NullLogger.Instance, Token);
}

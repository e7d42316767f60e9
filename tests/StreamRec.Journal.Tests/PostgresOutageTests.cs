using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal.Postgres;

namespace StreamRec.Journal.Tests;

/// <summary>A database that goes away, and a network that breaks in the middle of a commit.</summary>
public sealed class PostgresOutageTests : IAsyncLifetime
{
    private readonly PostgresServer _server = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.InitializeAsync();
        Assert.SkipWhen(_server.Missing is not null, _server.Missing ?? "");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task While_the_database_is_away_everything_waits_and_goes_on_by_itself()
    {
        await using var journal = await OpenAsync(_server.NewSchema());
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        await journal.AppendAsync(lease, Some.Clicks(0, "a"), Token);

        // Without a checkpoint, as if the machine had lost its power.
        await _server.StopAsync("immediate");
        var append = journal.AppendAsync(lease, Some.Clicks(1, "b"), Token).AsTask();
        var load = journal.LoadUsersAsync(["a"], Token).AsTask();
        var items = journal.AddItemsAsync(["new"], Token).AsTask();
        await UntilAsync(() => journal.WaitsBecause is not null);
        Assert.False(append.IsCompleted || load.IsCompleted || items.IsCompleted);
        await _server.StartAsync();

        Assert.Equal(2, await append);
        await Task.WhenAll(load, items);
        await UntilAsync(() => journal.WaitsBecause is null);
        Assert.Equal([1, 2], await PositionsAsync(journal));
    }

    [Fact]
    public async Task A_journal_opened_while_the_database_is_away_opens_when_it_is_back()
    {
        var schema = _server.NewSchema();
        await _server.StopAsync("fast");
        var opening = OpenAsync(schema);
        Assert.NotSame(opening, await Task.WhenAny(opening, Task.Delay(TimeSpan.FromMilliseconds(300), Token)));

        await _server.StartAsync();

        await using var journal = await opening;
        Assert.Empty(await PositionsAsync(journal));
    }

    [Theory]
    [InlineData(Pass.BreakBefore)]
    [InlineData(Pass.BreakAfter)]
    public async Task A_commit_whose_connection_breaks_is_made_exactly_once(Pass cut)
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var journal = await OpenAsync(_server.NewSchema(proxy.Port));
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        var commits = 0;
        proxy.OnRequest = bytes => bytes.Span.IndexOf("\0COMMIT\0"u8) >= 0 && Interlocked.Increment(ref commits) % 3 == 0 ? cut : Pass.On;

        var positions = new List<long>();
        for (var i = 0; i < 30; i++)
        {
            positions.Add(await journal.AppendAsync(lease, Some.Clicks(i, $"u{i}"), Token));
            if (i % 7 == 0)
            {
                await journal.SaveUsersAsync(lease, [new BehaviorSequence($"u{i}")], positions[^1], i, Token);
            }
        }

        proxy.OnRequest = static _ => Pass.On;
        Assert.True(commits > 30, "nothing was cut");
        Assert.Equal(Enumerable.Range(1, 30).Select(i => (long)i), positions);
        Assert.Equal(positions, await PositionsAsync(journal));
        var statistics = await journal.StatisticsAsync(Token);
        Assert.Equal((30, 30, 5), (statistics.Interactions, statistics.Segments, statistics.Users));
    }

    [Fact]
    public async Task A_commit_that_a_crash_of_the_database_took_is_made_again_though_another_node_commits_first()
    {
        await using var proxy = new TcpProxy(_server.Port);
        var schema = new NpgsqlConnectionStringBuilder(_server.NewSchema());
        await using var other = await OpenAsync(schema.ToString());
        schema.Port = proxy.Port;
        await using var journal = await OpenAsync(schema.ToString());
        var (mine, its) = (await journal.AcquireAsync(Some.Partition(0), Token), await other.AcquireAsync(Some.Partition(1), Token));
        var cut = false;
        proxy.OnRequest = bytes => cut || (cut = bytes.Span.IndexOf("\0COMMIT\0"u8) >= 0) ? Pass.BreakBefore : Pass.On;

        var append = journal.AppendAsync(mine, Some.Clicks(0, "a"), Token).AsTask();
        await UntilAsync(() => journal.WaitsBecause is not null);
        await _server.StopAsync("immediate");
        await _server.StartAsync();
        Assert.Equal(1, await other.AppendAsync(its, Some.Clicks(0, "b"), Token));
        proxy.OnRequest = static _ => Pass.On;

        Assert.Equal(2, await append);
        Assert.Equal([1, 2], await PositionsAsync(journal));
    }

    [Fact]
    public async Task A_commit_is_not_made_again_though_the_connection_breaks_once_more_while_it_is_asked_after()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var journal = await OpenAsync(_server.NewSchema(proxy.Port));
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        var breaks = new Queue<(string At, Pass Pass)>([("\0COMMIT\0", Pass.BreakAfter), ("FOR UPDATE", Pass.BreakAfter), ("ROLLBACK", Pass.BreakBefore), ("ROLLBACK", Pass.BreakAfter)]);
        proxy.OnRequest = bytes => breaks.TryPeek(out var next) && bytes.Span.IndexOf(System.Text.Encoding.ASCII.GetBytes(next.At)) >= 0 ? breaks.Dequeue().Pass : Pass.On;

        Assert.Equal(1, await journal.AppendAsync(lease, Some.Clicks(0, "a"), Token));
        Assert.Equal(2, await journal.AppendAsync(lease, Some.Clicks(1, "b"), Token));

        Assert.Empty(breaks);
        Assert.Equal([1, 2], await PositionsAsync(journal));
    }

    [Fact]
    public async Task A_user_is_forgotten_with_a_true_receipt_though_the_connection_breaks_behind_the_commit()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var journal = await OpenAsync(_server.NewSchema(proxy.Port));
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        await journal.AppendAsync(lease, Some.Clicks(0, "a", "b", "a2"), Token);
        var broken = 0;
        proxy.OnRequest = bytes => bytes.Span.IndexOf("\0COMMIT\0"u8) >= 0 && Interlocked.Exchange(ref broken, 1) == 0 ? Pass.BreakAfter : Pass.On;

        var receipt = await journal.ForgetAsync("a", [], Token);

        Assert.Equal((1, 1, 1), (broken, receipt.Interactions, receipt.Segments));
        Assert.Equal(2, (await journal.StatisticsAsync(Token)).Interactions);
    }

    [Fact]
    public async Task A_node_that_froze_in_the_middle_of_a_commit_does_not_hold_up_the_others_for_long()
    {
        var schema = _server.NewSchema();
        await using var journal = await OpenAsync(schema);
        var lease = await journal.AcquireAsync(Some.Partition(), Token);

        // What a frozen node leaves open, with the limit that its sessions have but shorter.
        await using (var database = new PostgresDatabase(new JournalOptions { ConnectionString = schema }, JournalAccess.Shared, TimeProvider.System, NullLogger.Instance))
        {
            await using var writer = database.OpenWriter();
            await CheckAsync(writer);
            // The second time it is one that has been in the pool.
            for (var use = 0; use < 2; use++)
            {
                await database.RunAsync((reader, _) => CheckAsync(reader), Token);
            }
        }

        var frozen = new NpgsqlConnection(schema);
        await frozen.OpenAsync(Token);
        foreach (var sql in new[] { "SET idle_in_transaction_session_timeout = '200ms'", "BEGIN", "SELECT * FROM journal FOR UPDATE" })
        {
            await using var command = new NpgsqlCommand(sql, frozen);
            await command.ExecuteNonQueryAsync(Token);
        }

        Assert.Equal(1, await journal.AppendAsync(lease, Some.Clicks(0, "a"), Token));
        // The server has ended it, which its owner hears of now.
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => frozen.DisposeAsync().AsTask());

        static async Task<bool> CheckAsync(NpgsqlConnection session)
        {
            Assert.Equal("5s", await Sql.ScalarAsync<string>(session, "SHOW idle_in_transaction_session_timeout", Token));
            Assert.Equal("10000", await Sql.ScalarAsync<string>(session, "SHOW tcp_user_timeout", Token));
            Assert.Equal("on", await Sql.ScalarAsync<string>(session, "SHOW synchronous_commit", Token));
            return true;
        }
    }

    [Fact]
    public async Task A_database_that_refuses_or_holds_something_else_is_named_with_what_to_do()
    {
        var schema = new NpgsqlConnectionStringBuilder(_server.NewSchema());
        var unknown = new NpgsqlConnectionStringBuilder(schema.ToString()) { Database = "nowhere" };

        var refused = await Assert.ThrowsAsync<JournalUnreachableException>(() => OpenAsync(unknown.ToString()));
        Assert.Contains("nowhere", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Journal:ConnectionString", refused.Message, StringComparison.Ordinal);

        await ExecuteAsync($"CREATE SCHEMA {schema.SearchPath}; CREATE TABLE {schema.SearchPath}.users (name text)");
        var foreign = await Assert.ThrowsAsync<JournalSchemaException>(() => OpenAsync(schema.ToString()));
        Assert.Contains("something else", foreign.Message, StringComparison.Ordinal);

        var newer = new NpgsqlConnectionStringBuilder(_server.NewSchema());
        await (await OpenAsync(newer.ToString())).DisposeAsync();
        await ExecuteAsync($"UPDATE {newer.SearchPath}.journal SET version = 99");
        var tooNew = await Assert.ThrowsAsync<JournalSchemaException>(() => OpenAsync(newer.ToString()));
        Assert.Contains("has schema 99", tooNew.Message, StringComparison.Ordinal);

        async Task ExecuteAsync(string sql)
        {
            await using var connection = new NpgsqlConnection(schema.ToString());
            await connection.OpenAsync(Token);
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(Token);
        }
    }

    private static async Task<IJournal> OpenAsync(string connection)
    {
        var journal = await SegmentJournal.OpenAsync(
            new JournalOptions { ConnectionString = connection }, JournalAccess.Shared, TimeProvider.System, NullLogger.Instance, Token);
        await journal.AddItemsAsync(Some.ItemIds, Token);
        return journal;
    }

    private static async Task<List<long>> PositionsAsync(IJournal journal)
    {
        var positions = new List<long>();
        await foreach (var segment in journal.ReadAsync(0, null, Token))
        {
            positions.Add(segment.Position);
        }

        return positions;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var left = 600; !condition(); left--)
        {
            Assert.True(left > 0, "not within 30 s");
            await Task.Delay(50, Token);
        }
    }
}

using System.Diagnostics.Metrics;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal.Sqlite;

namespace StreamRec.Journal.Tests;

/// <summary>The contract on SQLite, and what only a file can do: be locked, be newer, be copied, keep deleted bytes.</summary>
public sealed class SqliteJournalTests : JournalContract
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("streamrec-journal-");

    private string DatabasePath => Path.Combine(_folder.FullName, "journal.db");

    protected override async Task<IJournal> OpenAsync(int maxItems) => await OpenAsync(DatabasePath, maxItems, JoinSegments);

    protected override Task DamageSegmentAsync(long position)
    {
        using var connection = Connect(DatabasePath);
        Execute(connection, $"UPDATE recent SET payload = substr(payload, 1, 20) || x'ff' || substr(payload, 22) WHERE position = {position}");
        return Task.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task What_waits_together_shares_one_commit()
    {
        var leases = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Journal.AcquireAsync(Some.Partition(i), Token).AsTask()));
        var commits = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "StreamRec.Journal" && instrument.Name == "streamrec.journal.commits")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref commits, value));
        listener.Start();

        // Another connection's write lock keeps the first group from beginning until all the others wait behind it.
        using var connection = Connect(DatabasePath);
        Execute(connection, "BEGIN IMMEDIATE");
        var appends = leases.Select(lease => Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token).AsTask()).ToArray();
        Execute(connection, "COMMIT");
        await Task.WhenAll(appends);

        Assert.InRange(Interlocked.Read(ref commits), 1, 2);
    }

    [Fact]
    public async Task A_second_opener_is_refused_at_once_and_told_why()
    {
        var refused = await Assert.ThrowsAsync<JournalInUseException>(() => OpenAsync(DatabasePath, 1000));

        Assert.Contains(DatabasePath + ".lock", refused.Message);
        await Journal.AcquireAsync(Some.Partition(), Token);
    }

    [Fact]
    public async Task A_file_of_a_newer_build_is_refused()
    {
        await Journal.DisposeAsync();
        using (var connection = Connect(DatabasePath))
        {
            Execute(connection, "UPDATE meta SET value = 9 WHERE key = 'schema'");
        }

        var refused = await Assert.ThrowsAsync<JournalSchemaException>(() => OpenAsync(DatabasePath, 1000));

        Assert.Contains("schema 9", refused.Message);
        Assert.Contains("up to 2", refused.Message);
    }

    [Fact]
    public async Task A_file_of_something_else_is_refused_and_left_alone()
    {
        var path = Path.Combine(_folder.FullName, "other.db");
        using (var connection = Connect(path))
        {
            Execute(connection, "CREATE TABLE other (a)");
        }

        await Assert.ThrowsAsync<JournalSchemaException>(() => OpenAsync(path, 1000));

        await File.WriteAllTextAsync(path, new string('x', 10_000), Token);
        await Assert.ThrowsAsync<JournalCorruptException>(() => OpenAsync(path, 1000));
    }

    [Fact]
    public void Migrations_run_in_order_each_in_one_transaction()
    {
        var path = Path.Combine(_folder.FullName, "migrated.db");
        string[] migrations = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"];
        using (var database = SqliteDatabase.OpenWriter(path, JournalSynchronous.Full))
        {
            Assert.Equal((0, 1), SqliteSchema.Migrate(database, path, migrations[..1]));
            Assert.Throws<SqliteException>(() => SqliteSchema.Migrate(database, path, migrations));
        }

        using (var database = SqliteDatabase.OpenWriter(path, JournalSynchronous.Full))
        {
            Assert.Equal((2, 2), SqliteSchema.Migrate(database, path, migrations[..2]));
            Assert.Equal(0, database.Int64("SELECT COUNT(*) FROM sqlite_master WHERE name = 'b'"));
        }
    }

    [Fact]
    public async Task After_a_failed_commit_all_of_its_group_fail_and_everything_is_refused_until_it_is_reopened()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token);
        using (var connection = Connect(DatabasePath))
        {
            Execute(connection, "CREATE TRIGGER broken BEFORE INSERT ON users BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END");
        }

        var save = Journal.SaveUsersAsync(lease, [new BehaviorSequence("a")], 1, 0, Token).AsTask();
        var failed = await Assert.ThrowsAsync<JournalFailedException>(() => save);

        Assert.Contains("disk I/O error", failed.Message);
        await Assert.ThrowsAsync<JournalFailedException>(() => Journal.AppendAsync(lease, Some.Clicks(1, "a"), Token).AsTask());
        await Assert.ThrowsAsync<JournalFailedException>(() => Journal.LoadUsersAsync(["a"], Token).AsTask());
        await Assert.ThrowsAsync<JournalFailedException>(() => Journal.AddItemsAsync(["new"], Token).AsTask());
        await ReopenAsync();
        Assert.Single(await ReadAllAsync());
        await Journal.AppendAsync(await Journal.AcquireAsync(Some.Partition(), Token), Some.Clicks(1, "b"), Token);
    }

    [Theory]
    [InlineData(JournalSynchronous.Full, 2)]
    [InlineData(JournalSynchronous.Normal, 1)]
    public void The_writer_syncs_as_configured_and_zeroes_what_it_deletes(JournalSynchronous synchronous, int expected)
    {
        using var database = SqliteDatabase.OpenWriter(Path.Combine(_folder.FullName, "pragmas.db"), synchronous);

        Assert.Equal(expected, database.Int64("PRAGMA synchronous"));
        Assert.Equal(1, database.Int64("PRAGMA secure_delete"));
        Assert.Equal(SqliteDatabase.PageBytes, database.Int64("PRAGMA page_size"));
    }

    [Fact]
    public async Task A_damaged_file_is_reported_as_corrupt()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.SaveUsersAsync(lease, [.. Enumerable.Range(0, 2000).Select(i => new BehaviorSequence($"user-{i}"))], 0, 0, Token);
        await Journal.DisposeAsync();
        var bytes = await File.ReadAllBytesAsync(DatabasePath, Token);
        bytes.AsSpan(8 * SqliteDatabase.PageBytes).Fill(0xa5);
        await File.WriteAllBytesAsync(DatabasePath, bytes, Token);

        await Assert.ThrowsAsync<JournalCorruptException>(async () =>
        {
            await using var journal = await OpenAsync(DatabasePath, 1000);
            await journal.LoadUsersAsync([.. Enumerable.Range(0, 2000).Select(i => $"user-{i}")], Token);
        });
    }

    [Fact]
    public void A_missing_library_says_how_to_install_it()
    {
        var missing = Assert.Throws<DllNotFoundException>(() => SqliteNative.Load(typeof(SqliteJournalTests).Assembly, ["no-such-sqlite.so.0"]));

        Assert.Contains("apt-get install libsqlite3-0", missing.Message);
    }

    [Fact]
    public async Task The_write_ahead_log_is_folded_back_while_the_journal_runs()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var users = Enumerable.Range(0, 2000).Select(i => new string((char)('a' + i % 26), 200) + i).ToArray();
        for (var i = 0; i < 200; i++)
        {
            await Journal.AppendAsync(lease, Some.Clicks(i * users.Length, users), Token);
        }

        Assert.InRange(new FileInfo(DatabasePath).Length, 40 * 1024 * 1024, long.MaxValue);
        Assert.InRange(new FileInfo(DatabasePath + "-wal").Length, 0, 16 * 1024 * 1024);
    }

    [Fact]
    public async Task A_long_reader_of_another_process_stops_no_commit_and_keeps_the_log_only_until_it_ends()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var users = Enumerable.Range(0, 2000).Select(i => new string((char)('a' + i % 26), 200) + i).ToArray();
        using (var connection = Connect(DatabasePath))
        {
            Execute(connection, "BEGIN; SELECT COUNT(*) FROM items");
            await AppendAsync(0, 150);
            await Assert.ThrowsAsync<IOException>(() => Journal.ForgetAsync(users[0], [], Token).AsTask());
        }

        Assert.InRange(new FileInfo(DatabasePath + "-wal").Length, 60 * 1024 * 1024, long.MaxValue);
        await AppendAsync(150, 30);
        Assert.InRange(new FileInfo(DatabasePath + "-wal").Length, 0, 16 * 1024 * 1024);
        await Journal.ForgetAsync(users[0], [], Token);

        async Task AppendAsync(int from, int count)
        {
            for (var i = from; i < from + count; i++)
            {
                await Journal.AppendAsync(lease, Some.Clicks(i * users.Length, users), Token);
            }
        }
    }

    [Fact]
    public async Task Appends_saves_loads_and_forgetting_go_on_side_by_side()
    {
        var random = new Random(5);
        string[] users = [.. Enumerable.Range(0, 400).Select(i => $"<{random.NextInt64():x16}-{i}>")];
        var forgotten = users[..20];
        var kept = users[20..];
        var shards = Enumerable.Range(0, 4).Select(async shard =>
        {
            var own = new Random(shard);
            var lease = await Journal.AcquireAsync(Some.Partition(shard), Token);
            for (var i = 0; i < 60; i++)
            {
                var some = kept.Where(_ => own.Next(8) == 0).ToArray();
                var position = await Journal.AppendAsync(lease, Some.Clicks(lease.NextOffset, some), Token);
                lease = lease with { NextOffset = lease.NextOffset + some.Length };
                await Journal.SaveUsersAsync(lease, [.. some.Select(user => Some.Sequence(own, user, i, true))], position, 0, Token);
                Assert.DoesNotContain(null, await Journal.LoadUsersAsync(some, Token));
            }

            return lease.NextOffset;
        }).ToArray();
        foreach (var user in forgotten)
        {
            var lease = await Journal.AcquireAsync(Some.Partition(9), Token);
            await Journal.AppendAsync(lease, Some.Clicks(lease.NextOffset, user, kept[0]), Token);
            await Journal.SaveUsersAsync(lease, [Some.Sequence(random, user, 50, true)], 0, 0, Token);
            await Journal.ForgetAsync(user, [], Token);
            await ReadAllAsync();
        }

        var interactions = (await Task.WhenAll(shards)).Sum() + forgotten.Length;
        Assert.Equal(interactions, (await Journal.StatisticsAsync(Token)).Interactions);
        Assert.DoesNotContain(await ReadAllAsync(), segment => segment.Segment.Users.Intersect(forgotten).Any());
        Assert.All(await Journal.LoadUsersAsync(forgotten, Token), Assert.Null);
    }

    private static async Task<IJournal> OpenAsync(string path, int maxItems, int joinSegments = 4096) => await SegmentJournal.OpenAsync(
        new JournalOptions { Path = path, MaxItems = maxItems, JoinSegments = joinSegments }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, Token);

    private static SqliteConnection Connect(string path)
    {
        SqliteNative.Use();
        var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        return connection;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}

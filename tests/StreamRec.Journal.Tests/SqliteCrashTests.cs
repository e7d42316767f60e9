using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal.Sqlite;

namespace StreamRec.Journal.Tests;

/// <summary>What a crash leaves: the files as they are between two writes, or with the write-ahead log torn anywhere behind the last sync.</summary>
public sealed class SqliteCrashTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("streamrec-crash-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Live => Path.Combine(_folder.FullName, "live.db");

    [Fact]
    public async Task Every_acknowledged_append_is_in_every_image_of_the_files_taken_while_the_journal_runs()
    {
        var random = new Random(1);
        await using var journal = await OpenAsync(Live);
        await journal.AddItemsAsync(Some.ItemIds, Token);
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        var appended = new List<Segment>();
        for (var image = 0; image < 12; image++)
        {
            // Large enough that some images fall behind a checkpoint and some before the next.
            for (var i = 0; i < 12; i++)
            {
                appended.Add(Some.Random(random, appended.Count == 0 ? 0 : appended[^1].NextOffset, maxEntries: 6000));
                await journal.AddItemsAsync([$"new-{image}-{i}"], Token);
                await journal.AppendAsync(lease, appended[^1], Token);
            }

            await journal.SaveUsersAsync(lease, [Some.Sequence(random, "saved", image + 1, withEvents: true)], appended.Count, 0, Token);
            var copy = Copy($"image-{image}.db");
            AssertSound(copy);
            await using var recovered = await OpenAsync(copy);

            Assert.Equal(appended.Count, await CheckPrefixAsync(recovered, appended));
            Assert.Equal(image + 1, (await recovered.LoadUsersAsync(["saved"], Token))[0]!.Count);
            Assert.Equal(Some.Items + appended.Count, recovered.Catalogue.Count);
            Assert.Equal(
                (2, appended[^1].NextOffset, appended.Count),
                await recovered.AcquireAsync(Some.Partition(), Token) is var now ? (now.Epoch, now.NextOffset, now.FoldedPosition) : default);
        }
    }

    [Fact]
    public async Task A_write_ahead_log_torn_anywhere_holds_at_least_what_was_acknowledged_before_the_tear()
    {
        var random = new Random(2);
        await using var journal = await OpenAsync(Live);
        await journal.AddItemsAsync(Some.ItemIds, Token);
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        var appended = new List<Segment>();
        var logLengths = new List<long>();
        for (var i = 0; i < 40; i++)
        {
            appended.Add(Some.Random(random, appended.Count == 0 ? 0 : appended[^1].NextOffset, maxEntries: 300));
            await journal.AppendAsync(lease, appended[^1], Token);
            logLengths.Add(new FileInfo(Live + "-wal").Length);
        }

        for (var tear = 0; tear < 60; tear++)
        {
            var copy = Copy($"torn-{tear}.db");
            var kept = logLengths[0] + random.NextInt64(logLengths[^1] - logLengths[0] + 1);
            await using (var log = new FileStream(copy + "-wal", FileMode.Open))
            {
                log.SetLength(kept);
                if (tear % 2 == 0)
                {
                    // The disk wrote the last sector of what is kept, but not what belongs there.
                    log.Seek(-Math.Min(512, kept), SeekOrigin.End);
                    log.Write(new byte[Math.Min(512, kept)]);
                    kept -= 512;
                }
            }

            AssertSound(copy);
            await using var recovered = await OpenAsync(copy);
            var found = await CheckPrefixAsync(recovered, appended);
            Assert.InRange(found, logLengths.Count(length => length <= kept), appended.Count);
        }
    }

    [Fact]
    public async Task A_crash_while_segments_are_joined_leaves_them_as_they_were_or_joined_and_always_readable_as_they_were()
    {
        var random = new Random(3);
        await using var journal = await OpenAsync(Live, joinSegments: 30);
        await journal.AddItemsAsync(Some.ItemIds, Token);
        var lease = await journal.AcquireAsync(Some.Partition(), Token);
        var appended = new List<Segment>();
        for (var i = 0; i < 100; i++)
        {
            appended.Add(Some.Random(random, appended.Count == 0 ? 0 : appended[^1].NextOffset, maxEntries: 3));
            var position = await journal.AppendAsync(lease, appended[^1], Token);
            await journal.SaveUsersAsync(lease, [], position, 0, Token);
        }

        var rows = (await journal.StatisticsAsync(Token)).Segments;
        Assert.InRange(rows, 1, 60);
        var length = new FileInfo(Live + "-wal").Length;
        var seen = new HashSet<long>();
        for (var tear = 0; tear < 80; tear++)
        {
            var copy = Copy($"joined-{tear}.db");
            await using (var log = new FileStream(copy + "-wal", FileMode.Open))
            {
                log.SetLength(length * (tear + 20) / 100 - random.Next(100));
            }

            AssertSound(copy);
            await using var recovered = await OpenAsync(copy);
            var (found, now) = (0, await recovered.StatisticsAsync(Token));
            await foreach (var segment in recovered.ReadAsync(0, null, Token))
            {
                Assert.Equal(found + 1, segment.Position);
                Some.AssertSameContent(appended[found++], segment.Segment);
            }

            Assert.Equal((found, appended.Take(found).Sum(s => s.Entries.Count)), (now.Position, now.Interactions));
            seen.Add(found - now.Segments);
        }

        // Before the first time that they were joined, and behind each.
        Assert.True(seen.Count >= 3, $"joined by {string.Join(", ", seen.Order())}");
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static async Task<IJournal> OpenAsync(string path, int joinSegments = 0) => await SegmentJournal.OpenAsync(
        new JournalOptions { Path = path, JoinSegments = joinSegments }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, Token);

    /// <summary>The files without the shared-memory index, which a crash of the machine takes with it and recovery builds anew.</summary>
    private string Copy(string name)
    {
        var copy = Path.Combine(_folder.FullName, name);
        File.Copy(Live, copy);
        File.Copy(Live + "-wal", copy + "-wal");
        return copy;
    }

    /// <summary>SQLite's own check, before the journal opens it.</summary>
    private static void AssertSound(string path)
    {
        using var database = SqliteDatabase.OpenReader(path);
        var check = database.Prepare("PRAGMA integrity_check");
        Assert.True(check.Step());
        Assert.Equal("ok", check.Text(0));
    }

    /// <summary>Checks that what is there is the beginning of what was appended, and sound; how much it is.</summary>
    private static async Task<int> CheckPrefixAsync(IJournal recovered, List<Segment> appended)
    {
        var found = 0;
        await foreach (var segment in recovered.ReadAsync(0, null, Token))
        {
            Assert.Equal(found + 1, segment.Position);
            Some.AssertSame(appended[found++], segment.Segment);
        }

        var statistics = await recovered.StatisticsAsync(Token);
        Assert.Equal((found, appended.Take(found).Sum(s => s.Entries.Count)), (statistics.Segments, statistics.Interactions));
        return found;
    }
}

using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal.Sqlite;

namespace StreamRec.Journal.Tests;

/// <summary>Forgotten bytes are not in the files any more, wherever SQLite had put or moved them.</summary>
public sealed class SqliteForgetTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("streamrec-forget-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 20, 0)]
    [InlineData(3, 300, 0)]
    [InlineData(4, 1, 50)]
    [InlineData(5, 1, 333)]
    [InlineData(6, 20, 50)]
    public async Task No_byte_of_a_forgotten_user_is_left_in_any_file(int seed, int usersPerSegment, int joinSegments)
    {
        var random = new Random(seed);
        var path = Path.Combine(_folder.FullName, "journal.db");
        await using var journal = await SegmentJournal.OpenAsync(
            new JournalOptions { Path = path, JoinSegments = joinSegments }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, Token);
        await journal.AddItemsAsync(Some.ItemIds, Token);
        var lease = await journal.AcquireAsync(Some.Partition(), Token);

        // States come in random order and grow, so that pages split, merge and overflow: stale copies are what this looks for.
        string[] users = [.. Enumerable.Range(0, 1500).Select(i => $"<{random.NextInt64():x16}-{i}>")];
        for (var round = 0; round < 4; round++)
        {
            random.Shuffle(users);
            foreach (var some in users.Chunk(usersPerSegment).Take(200))
            {
                var position = await journal.AppendAsync(lease, Some.Clicks(lease.NextOffset, some), Token);
                if (position % 3 == 0)
                {
                    await journal.SaveUsersAsync(lease, [], position - 1, 0, Token);
                }

                lease = lease with { NextOffset = lease.NextOffset + some.Length };
            }

            foreach (var some in users.Chunk(100))
            {
                await journal.SaveUsersAsync(
                    lease, [.. some.Select(user => Some.Sequence(random, user, random.Next(round * 60 + 5), random.Next(2) == 0))], 0, 0, Token);
            }
        }

        // Where nothing is joined, every segment has a row of its own.
        var (statistics, segments) = (await journal.StatisticsAsync(Token), 4 * Math.Min(200, (users.Length + usersPerSegment - 1) / usersPerSegment));
        Assert.InRange(statistics.Segments, joinSegments == 0 ? segments : 1, joinSegments == 0 ? segments : segments - 1);

        foreach (var user in users.Take(60))
        {
            await journal.ForgetAsync(user, [], Token);
            AssertNowhere(user);
        }

        foreach (var user in users.Take(60))
        {
            AssertNowhere(user);
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private void AssertNowhere(string user)
    {
        var needle = System.Text.Encoding.UTF8.GetBytes(user);
        foreach (var file in _folder.GetFiles("journal.db*").Where(file => file.Extension != ".lock"))
        {
            using var stream = new FileStream(file.FullName, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            var at = bytes.AsSpan().IndexOf(needle);
            Assert.True(at < 0, $"{user} is still in {file.Name} at byte {at} (page {at / SqliteDatabase.PageBytes + 1})");
        }
    }
}

using StreamRec.Domain;

namespace StreamRec.Journal.Tests;

/// <summary>Joining small segments, of which nobody who reads may notice anything.</summary>
public abstract partial class JournalContract
{
    private readonly List<PartitionLease> _leases = [];

    [Fact]
    public async Task Small_segments_are_joined_once_saved_states_contain_them_and_read_back_as_they_were()
    {
        var appended = await AppendSmallAsync(joinSegments: 100, partitions: 3, segments: 200);
        Assert.Equal(appended.Count, (await Journal.StatisticsAsync(Token)).Segments);

        appended.AddRange(await JoinAllAsync(appended));
        await CheckAsync(appended);
        await ReopenAsync();

        await CheckAsync(appended);
        var statistics = await Journal.StatisticsAsync(Token);
        Assert.InRange(statistics.Segments, 4, 150);
        Assert.Equal(
            (appended.Sum(s => s.Segment.Entries.Count), appended[^1].Position), (statistics.Interactions, statistics.Position));
    }

    [Fact]
    public async Task A_reader_in_the_middle_of_its_pass_neither_misses_nor_repeats_what_is_joined_meanwhile()
    {
        var appended = await AppendSmallAsync(joinSegments: 100, partitions: 2, segments: 400);
        var read = new List<StoredSegment>();
        await foreach (var segment in Journal.ReadAsync(0, null, Token))
        {
            read.Add(segment);
            if (read.Count == 150)
            {
                await JoinAllAsync(appended);
                Assert.InRange((await Journal.StatisticsAsync(Token)).Segments, 2, 200);
            }
        }

        AssertRead(appended, read);
    }

    [Fact]
    public async Task What_no_saved_state_contains_is_not_joined()
    {
        var appended = await AppendSmallAsync(joinSegments: 10, partitions: 1, segments: 60);
        var more = await JoinAllAsync(appended, foldedPosition: 40);

        Assert.InRange((await Journal.StatisticsAsync(Token)).Segments, 21, 20 + 20 + more.Count);
        AssertRead(appended[40..], await ReadAllAsync(40, Some.Partition()));
        Assert.Equal([Some.Partition()], await Journal.UnfoldedSourcesAsync(Token));
        var user = appended.Skip(40).Select(s => s.Segment).Where(s => s.Entries.Count > 0).Select(s => s.Users[s.Entries[0].User]).First();
        Assert.Equal(
            appended[40..].Sum(s => s.Segment.Entries.Count(e => s.Segment.Users[e.User] == user)), (await Journal.ReadUserAsync(user, 1000, Token))!.Count);
    }

    [Fact]
    public async Task A_segment_that_is_worth_a_row_stays_as_it_is()
    {
        JoinSegments = 8;
        await ReopenAsync();
        _leases.Add(await Journal.AcquireAsync(Some.Partition(), Token));
        string[] many = [.. Enumerable.Range(0, 300).Select(i => $"user-{i}")];
        var appended = new List<StoredSegment>();
        for (var (i, next) = (0, 0L); i < 40; i++)
        {
            var segment = i % 10 == 5 ? Some.Clicks(next, many) : Some.Clicks(next, "a", "b");
            appended.Add(new StoredSegment(await Journal.AppendAsync(_leases[0], segment, Token), Some.Partition(), segment));
            next = segment.NextOffset;
        }

        var more = await JoinAllAsync(appended);

        AssertRead([.. appended, .. more], await ReadAllAsync());
        // Four large ones, the five runs of small ones between them, and what came since.
        Assert.InRange((await Journal.StatisticsAsync(Token)).Segments, 9, 9 + more.Count);
    }

    [Fact]
    public async Task A_damaged_segment_is_not_joined_and_named_as_before()
    {
        var appended = await AppendSmallAsync(joinSegments: 20, partitions: 1, segments: 30);
        await Journal.DisposeAsync();
        await DamageSegmentAsync(7);
        await ReopenAsync();
        var next = Some.Clicks(appended[^1].Segment.NextOffset, "a");
        appended.Add(new StoredSegment(await Journal.AppendAsync(_leases[0], next, Token), Some.Partition(), next));
        var more = await JoinAllAsync(appended);

        Assert.InRange((await Journal.StatisticsAsync(Token)).Segments, 3, 3 + more.Count);
        Assert.Contains("position 7", (await Assert.ThrowsAsync<JournalCorruptException>(() => ReadAllAsync())).Message);
        AssertRead([.. appended[7..], .. more], await ReadAllAsync(7));
    }

    [Fact]
    public async Task A_user_is_forgotten_in_joined_segments_and_everybody_else_stays()
    {
        var appended = await AppendSmallAsync(joinSegments: 50, partitions: 2, segments: 150);
        appended.AddRange(await JoinAllAsync(appended));
        var gone = appended[30].Segment.Users[0];

        var receipt = await Journal.ForgetAsync(gone, [], Token);

        var kept = appended.ConvertAll(s => s with { Segment = Without(s.Segment, gone) });
        await CheckAsync(kept);
        await ReopenAsync();
        await CheckAsync(kept);
        Assert.Equal(appended.Sum(s => s.Segment.Entries.Count) - kept.Sum(s => s.Segment.Entries.Count), receipt.Interactions);
        Assert.True(receipt.Segments < appended.Count(s => s.Segment.Users.Contains(gone)));
        Assert.Equal(0, (await Journal.ForgetAsync(gone, [], Token)).Segments);
    }

    [Fact]
    public async Task Users_are_forgotten_while_their_segments_are_being_joined()
    {
        JoinSegments = 8;
        await ReopenAsync();
        var random = new Random(8);
        var appended = new List<StoredSegment>();
        var leases = new[] { await Journal.AcquireAsync(Some.Partition(), Token), await Journal.AcquireAsync(Some.Partition(1), Token) };
        var next = new long[2];
        var gone = new HashSet<string>();
        var forgetting = Task.CompletedTask;
        for (var i = 0; i < 400; i++)
        {
            var p = i % 2;
            var segment = Some.Clicks(next[p], $"user-{i % 20}", $"user-{random.Next(20, 60)}");
            next[p] = segment.NextOffset;
            var position = await Journal.AppendAsync(leases[p], segment, Token);
            appended.Add(new StoredSegment(position, Some.Partition(p), segment));
            await Journal.SaveUsersAsync(leases[p], [], position, 0, Token);
            if (i >= 200 && forgetting.IsCompleted)
            {
                await forgetting;
                gone.Add($"user-{20 + gone.Count}");
                forgetting = Journal.ForgetAsync($"user-{19 + gone.Count}", leases, Token).AsTask();
            }
        }

        await forgetting;
        Assert.NotEmpty(gone);
        var read = await ReadAllAsync();
        Assert.Equal(appended.Select(s => s.Position), read.Select(s => s.Position));
        // Whoever came again afterwards is there, so only those who did not are looked for.
        foreach (var user in gone)
        {
            await Journal.ForgetAsync(user, leases, Token);
        }

        AssertRead(appended.ConvertAll(s => s with { Segment = gone.Aggregate(s.Segment, Without) }), await ReadAllAsync());
    }

    /// <summary>Appends small segments to partitions in turns; nothing is joined yet.</summary>
    private async Task<List<StoredSegment>> AppendSmallAsync(int joinSegments, int partitions, int segments)
    {
        JoinSegments = joinSegments;
        await ReopenAsync();
        var random = new Random(7);
        for (var p = 0; p < partitions; p++)
        {
            _leases.Add(await Journal.AcquireAsync(Some.Partition(p), Token));
        }

        var appended = new List<StoredSegment>();
        for (var i = 0; i < segments; i++)
        {
            var lease = _leases[i % partitions];
            var next = appended.FindLast(s => s.Source == lease.Source)?.Segment.NextOffset ?? 0;
            var segment = Some.Random(random, next, 3, () => $"user-{random.Next(40)}");
            appended.Add(new StoredSegment(await Journal.AppendAsync(lease, segment, Token), lease.Source, segment));
        }

        return appended;
    }

    /// <summary>Has everything folded, or as far as a test says, and joined: that follows further appends, which are returned.</summary>
    private async Task<List<StoredSegment>> JoinAllAsync(List<StoredSegment> appended, long? foldedPosition = null)
    {
        foreach (var lease in _leases)
        {
            await Journal.SaveUsersAsync(lease, [], foldedPosition ?? appended.FindLast(s => s.Source == lease.Source)!.Position, 0, Token);
        }

        var more = new List<StoredSegment>();
        var other = await Journal.AcquireAsync(Some.Partition(99), Token);
        for (var i = 0; i <= JoinSegments; i++)
        {
            var segment = Some.Clicks(i, "z");
            more.Add(new StoredSegment(await Journal.AppendAsync(other, segment, Token), other.Source, segment));
            // The next commit begins when joining has ended.
            await Journal.SaveUsersAsync(other, [], more[^1].Position, 0, Token);
        }

        return more;
    }

    private async Task CheckAsync(List<StoredSegment> appended)
    {
        AssertRead(appended, await ReadAllAsync());
        foreach (var after in new[] { 1, appended.Count / 3, appended.Count / 2, appended.Count - 1, appended.Count })
        {
            AssertRead(appended.FindAll(s => s.Position > after), await ReadAllAsync(after));
            AssertRead(
                appended.FindAll(s => s.Position > after && s.Source == Some.Partition(1)), await ReadAllAsync(after, Some.Partition(1)));
        }
    }

    private static void AssertRead(List<StoredSegment> expected, List<StoredSegment> read)
    {
        Assert.Equal(expected.Select(s => (s.Position, s.Source)), read.Select(s => (s.Position, s.Source)));
        expected.Zip(read).ToList().ForEach(pair => Some.AssertSameContent(pair.First.Segment, pair.Second.Segment));
    }

    private static Segment Without(Segment segment, string user) => segment with
    {
        Entries = [.. segment.Entries.Where(entry => segment.Users[entry.User] != user)],
    };
}

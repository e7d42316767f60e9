using StreamRec.Domain;

namespace StreamRec.Journal.Tests;

/// <summary>What every journal must do, whatever engine is behind it. An engine's class says only how to open its store.</summary>
public abstract partial class JournalContract : IAsyncLifetime
{
    private IJournal? _journal;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected IJournal Journal => _journal!;

    /// <summary><see cref="JournalOptions.JoinSegments"/> of the next opening.</summary>
    protected int JoinSegments { get; set; } = new JournalOptions().JoinSegments;

    /// <summary>Opens the test's one store, which survives until the test ends. The journal opened before is disposed by then.</summary>
    protected abstract Task<IJournal> OpenAsync(int maxItems);

    /// <summary>Overwrites one byte of the stored form of a segment.</summary>
    protected abstract Task DamageSegmentAsync(long position);

    public virtual async ValueTask InitializeAsync()
    {
        _journal = await OpenAsync(maxItems: 1000);
        await Journal.AddItemsAsync(Some.ItemIds, Token);
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (_journal is not null)
        {
            await _journal.DisposeAsync();
        }
    }

    protected async Task ReopenAsync(int maxItems = 1000)
    {
        await Journal.DisposeAsync();
        _journal = await OpenAsync(maxItems);
    }

    protected async Task<List<StoredSegment>> ReadAllAsync(long afterPosition = 0, SourcePartition? source = null)
    {
        var segments = new List<StoredSegment>();
        await foreach (var segment in Journal.ReadAsync(afterPosition, source, Token))
        {
            segments.Add(segment);
        }

        return segments;
    }

    [Fact]
    public async Task A_segment_reads_back_exactly_as_it_was_appended()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var random = new Random(1);
        var appended = new List<Segment>();
        for (var i = 0; i < 50; i++)
        {
            appended.Add(Some.Random(random, appended.Count == 0 ? 0 : appended[^1].NextOffset));
            await Journal.AppendAsync(lease, appended[^1], Token);
        }

        await ReopenAsync();

        var read = await ReadAllAsync();
        Assert.Equal(appended.Count, read.Count);
        for (var i = 0; i < read.Count; i++)
        {
            Some.AssertSame(appended[i], read[i].Segment);
            Assert.Equal((i + 1L, Some.Partition()), (read[i].Position, read[i].Source));
        }
    }

    [Fact]
    public async Task Appends_of_many_shards_at_once_are_all_there_in_the_order_of_each()
    {
        const int Shards = 16;
        const int Appends = 25;
        var positions = await Task.WhenAll(Enumerable.Range(0, Shards).Select(async shard =>
        {
            var lease = await Journal.AcquireAsync(Some.Partition(shard), Token);
            var mine = new List<long>();
            for (var i = 0; i < Appends; i++)
            {
                mine.Add(await Journal.AppendAsync(lease, Some.Clicks(i * 2, $"u{shard}", $"v{i}"), Token));
            }

            return mine;
        }));

        Assert.All(positions, mine => Assert.Equal(mine.Order(), mine));
        Assert.Equal(Enumerable.Range(1, Shards * Appends).Select(i => (long)i), positions.SelectMany(mine => mine).Order());
        for (var shard = 0; shard < Shards; shard++)
        {
            var read = await ReadAllAsync(0, Some.Partition(shard));
            Assert.Equal(positions[shard], read.Select(segment => segment.Position));
            Assert.Equal(Enumerable.Range(0, Appends).Select(i => i * 2L), read.Select(segment => segment.Segment.FirstOffset));
        }
    }

    [Fact]
    public async Task Acquiring_gives_the_positions_reached_and_raises_the_epoch()
    {
        var first = await Journal.AcquireAsync(Some.Partition(), Token);
        Assert.Equal(new PartitionLease(Some.Partition(), 1, 0, 0, 0), first);
        await Journal.AppendAsync(first, Some.Clicks(0, "a", "b") with { CompletedOffset = 1 }, Token);
        await Journal.SaveUsersAsync(first, [new BehaviorSequence("a")], foldedPosition: 1, completedOffset: 2, Token);

        var second = await Journal.AcquireAsync(Some.Partition(), Token);
        await ReopenAsync();
        var third = await Journal.AcquireAsync(Some.Partition(), Token);

        Assert.Equal(new PartitionLease(Some.Partition(), 2, 2, 2, 1), second);
        Assert.Equal(second with { Epoch = 3 }, third);
    }

    [Fact]
    public async Task A_former_owner_is_refused_while_others_of_the_same_commit_are_not()
    {
        var former = await Journal.AcquireAsync(Some.Partition(0), Token);
        var other = await Journal.AcquireAsync(Some.Partition(1), Token);
        var newer = await Journal.AcquireAsync(Some.Partition(0), Token);

        var refusedAppend = Journal.AppendAsync(former, Some.Clicks(0, "a"), Token).AsTask();
        var othersAppend = Journal.AppendAsync(other, Some.Clicks(0, "b"), Token).AsTask();
        var refusedSave = Journal.SaveUsersAsync(former, [new BehaviorSequence("a")], 0, 0, Token).AsTask();
        var newersAppend = Journal.AppendAsync(newer, Some.Clicks(0, "c"), Token).AsTask();

        await Assert.ThrowsAsync<FencedException>(() => refusedAppend);
        await Assert.ThrowsAsync<FencedException>(() => refusedSave);
        Assert.Equal([await othersAppend, await newersAppend], (await ReadAllAsync()).Select(segment => segment.Position));
        Assert.Null((await Journal.LoadUsersAsync(["a"], Token))[0]);
    }

    [Fact]
    public async Task A_segment_that_does_not_begin_at_the_journals_position_is_refused()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a", "b"), Token);

        await Assert.ThrowsAsync<FencedException>(() => Journal.AppendAsync(lease, Some.Clicks(0, "a", "b"), Token).AsTask());
        await Assert.ThrowsAsync<FencedException>(() => Journal.AppendAsync(lease, Some.Clicks(3, "a"), Token).AsTask());

        await Journal.AppendAsync(lease, Some.Clicks(2, "c"), Token);
        Assert.Equal(2, (await ReadAllAsync()).Count);
    }

    [Fact]
    public async Task A_partition_that_was_never_acquired_cannot_be_appended_to()
    {
        var invented = new PartitionLease(Some.Partition(7), 1, 0, 0, 0);

        await Assert.ThrowsAsync<FencedException>(() => Journal.AppendAsync(invented, Some.Clicks(0, "a"), Token).AsTask());
    }

    [Fact]
    public async Task An_empty_segment_moves_the_position_all_the_same()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);

        await Journal.AppendAsync(lease, new Segment(0, 17, 4, [], []), Token);

        var again = await Journal.AcquireAsync(Some.Partition(), Token);
        Assert.Equal((17, 4), (again.NextOffset, again.CompletedOffset));
        Assert.Empty(Assert.Single(await ReadAllAsync()).Segment.Entries);
    }

    [Fact]
    public async Task What_was_completed_stays_completed()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a", "b") with { CompletedOffset = 2 }, Token);
        await Journal.AppendAsync(lease, Some.Clicks(2, "c") with { CompletedOffset = 1 }, Token);

        Assert.Equal(2, (await Journal.AcquireAsync(Some.Partition(), Token)).CompletedOffset);
    }

    [Fact]
    public async Task The_same_partition_of_another_log_or_topic_is_another_partition()
    {
        var source = Some.Partition();
        foreach (var other in new[] { source, source with { Log = "" }, source with { Topic = "other" } })
        {
            var lease = await Journal.AcquireAsync(other, Token);
            Assert.Equal((1, 0), (lease.Epoch, lease.NextOffset));
            await Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token);
        }

        Assert.Equal(2, Assert.Single(await ReadAllAsync(0, source with { Log = "" })).Position);
    }

    [Fact]
    public async Task Segments_are_read_above_a_position_and_of_one_partition()
    {
        var leases = new[] { await Journal.AcquireAsync(Some.Partition(0), Token), await Journal.AcquireAsync(Some.Partition(1), Token) };
        for (var i = 0; i < 200; i++)
        {
            await Journal.AppendAsync(leases[i % 2], Some.Clicks(i / 2, "a"), Token);
        }

        Assert.Equal(Enumerable.Range(151, 50).Select(i => (long)i), (await ReadAllAsync(150)).Select(segment => segment.Position));
        Assert.Equal(
            Enumerable.Range(0, 25).Select(i => 152L + i * 2),
            (await ReadAllAsync(150, Some.Partition(1))).Select(segment => segment.Position));
        Assert.Empty(await ReadAllAsync(200));
        Assert.Empty(await ReadAllAsync(0, Some.Partition(2)));
    }

    [Fact]
    public async Task Reading_ends_at_the_newest_segment_of_its_call_and_goes_on_while_others_write()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        for (var i = 0; i < 100; i++)
        {
            await Journal.AppendAsync(lease, Some.Clicks(i, "a"), Token);
        }

        var reading = Journal.ReadAsync(0, null, Token);
        var positions = new List<long>();
        await foreach (var segment in reading)
        {
            positions.Add(segment.Position);
            await Journal.AppendAsync(lease, Some.Clicks(99 + positions.Count, "b"), Token);
        }

        Assert.Equal(Enumerable.Range(1, 100).Select(i => (long)i), positions);
        Assert.Equal(200, (await ReadAllAsync()).Count);
    }

    [Fact]
    public async Task Item_numbers_are_dense_and_stay_over_a_reopening()
    {
        await Journal.AddItemsAsync(["new-b", "item-3", "new-a", "new-b"], Token);
        Assert.Equal((200, 201, 202), (Number("new-b"), Number("new-a"), Journal.Catalogue.Count));
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token);
        await Journal.AddItemsAsync(["with\0zero", "漢字"], Token);

        await ReopenAsync();

        Assert.Equal((3, 200, 201, 204), (Number("item-3"), Number("new-b"), Number("new-a"), Journal.Catalogue.Count));
        Assert.Equal((202, 203), (Number("with\0zero"), Number("漢字")));

        int Number(string itemId) => Journal.Catalogue.TryGetNumber(itemId, out var number) ? number : -1;
    }

    [Fact]
    public async Task A_full_catalogue_refuses_new_items_and_names_the_first_that_did_not_fit()
    {
        await ReopenAsync(maxItems: Some.Items + 1);

        var full = await Assert.ThrowsAsync<CatalogueFullException>(
            () => Journal.AddItemsAsync(["item-1", "fits", "does-not", "nor-this"], Token).AsTask());

        Assert.Contains("does-not", full.Message);
        Assert.Contains("Journal:MaxItems", full.Message);
        Assert.Equal(Some.Items + 1, Journal.Catalogue.Count);
        await Journal.AddItemsAsync(["fits", "item-5"], Token);
    }

    [Fact]
    public async Task Ids_with_broken_characters_are_refused_because_two_could_become_one()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);

        await Assert.ThrowsAnyAsync<ArgumentException>(() => Journal.AddItemsAsync(["x\ud800"], Token).AsTask());
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Journal.AppendAsync(lease, Some.Clicks(0, "x\ud800"), Token).AsTask());
        await Assert.ThrowsAnyAsync<ArgumentException>(
            () => Journal.SaveUsersAsync(lease, [new BehaviorSequence("x\ud800")], 0, 0, Token).AsTask());
    }

    [Fact]
    public async Task An_item_number_that_was_not_given_out_is_refused()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        var segment = Some.Clicks(0, "a");
        var wrong = segment with { Entries = [segment.Entries[0] with { Item = Some.Items }] };

        await Assert.ThrowsAsync<ArgumentException>(() => Journal.AppendAsync(lease, wrong, Token).AsTask());
    }

    [Fact]
    public async Task Statistics_count_what_is_stored()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a", "b", "c"), Token);
        await Journal.AppendAsync(lease, Some.Clicks(3, "a"), Token);
        await Journal.SaveUsersAsync(lease, [new BehaviorSequence("a"), new BehaviorSequence("b")], 2, 0, Token);
        await Journal.SaveUsersAsync(lease, [new BehaviorSequence("b")], 2, 0, Token);
        await ReopenAsync();

        var statistics = await Journal.StatisticsAsync(Token);

        Assert.Equal((4, 2, Some.Items, 2, 2), (statistics.Interactions, statistics.Users, statistics.Items, statistics.Segments, statistics.Position));
        Assert.True(statistics.Bytes > 0);
    }

    [Fact]
    public async Task A_source_is_unfolded_until_its_newest_segment_is_in_saved_states()
    {
        var (first, second) = (Some.Partition(), Some.Partition() with { Log = "former" });
        var lease = await Journal.AcquireAsync(first, Token);
        var former = await Journal.AcquireAsync(second, Token);
        await Journal.AcquireAsync(first with { Partition = 7 }, Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token);
        var position = await Journal.AppendAsync(former, Some.Clicks(0, "b"), Token);

        Assert.Equal(new HashSet<SourcePartition> { first, second }, (await Journal.UnfoldedSourcesAsync(Token)).ToHashSet());

        await Journal.SaveUsersAsync(former, [new BehaviorSequence("b")], position, 0, Token);
        await ReopenAsync();

        Assert.Equal([first], await Journal.UnfoldedSourcesAsync(Token));
    }

    [Fact]
    public async Task The_newest_records_are_found_by_their_number()
    {
        var (first, second) = (await Journal.AcquireAsync(Some.Partition(), Token), await Journal.AcquireAsync(Some.Partition() with { Partition = 1 }, Token));
        Assert.Equal(0, await Journal.FindNewestAsync(5, Token));
        await Journal.AppendAsync(first, Some.Clicks(0, "a", "b", "c"), Token);
        await Journal.AppendAsync(second, Some.Clicks(0, "d"), Token);
        await Journal.AppendAsync(first, Some.Clicks(3, "e", "f"), Token);

        foreach (var (records, position) in new[] { (1, 2), (2, 2), (3, 1), (4, 0), (6, 0), (7, 0) })
        {
            Assert.Equal(position, await Journal.FindNewestAsync(records, Token));
        }
    }

    [Fact]
    public async Task Audit_records_come_back_newest_first_and_by_action()
    {
        await Journal.AddAuditAsync("gap accepted", "t[0]: 5 records", Token);
        await Journal.AddAuditAsync("partitions", "t has 8", Token);
        await Journal.AddAuditAsync("gap accepted", "t[1]: 7 records", Token);
        await ReopenAsync();

        Assert.Equal(["t[1]: 7 records", "t has 8"], (await Journal.ReadAuditAsync(null, 2, Token)).Select(record => record.Detail));
        Assert.Equal(["t[1]: 7 records", "t[0]: 5 records"], (await Journal.ReadAuditAsync("gap accepted", 9, Token)).Select(record => record.Detail));
        Assert.Empty(await Journal.ReadAuditAsync("forget", 9, Token));

        var receipt = await Journal.ForgetAsync("a", [], Token);

        var forgotten = Assert.Single(await Journal.ReadAuditAsync("forget", 9, Token));
        Assert.Contains(receipt.UserFingerprint, forgotten.Detail, StringComparison.Ordinal);
        Assert.Equal(receipt.At, forgotten.At, TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task A_damaged_segment_is_named_and_not_served()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        await Journal.AppendAsync(lease, Some.Clicks(0, "a", "b", "c"), Token);
        await Journal.AppendAsync(lease, Some.Clicks(3, "d", "e", "f"), Token);
        await Journal.DisposeAsync();
        await DamageSegmentAsync(2);
        await ReopenAsync();

        var corrupt = await Assert.ThrowsAsync<JournalCorruptException>(() => ReadAllAsync());

        Assert.Contains("position 2", corrupt.Message);
        await Assert.ThrowsAsync<JournalCorruptException>(() => Journal.ForgetAsync("a", [], Token).AsTask());
    }

    [Fact]
    public async Task A_cancelled_call_gives_up_waiting_and_a_closed_journal_refuses()
    {
        var lease = await Journal.AcquireAsync(Some.Partition(), Token);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Journal.AppendAsync(lease, Some.Clicks(0, "a"), cancelled.Token).AsTask());
        await Journal.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => Journal.AppendAsync(lease, Some.Clicks(0, "a"), Token).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Journal.LoadUsersAsync(["a"], Token).AsTask());
    }
}

namespace StreamRec.Domain.Tests;

public sealed class BehaviorSequenceTests
{
    [Fact]
    public void A_new_sequence_is_empty()
    {
        var sequence = new BehaviorSequence("u");

        Assert.Equal("u", sequence.UserId);
        Assert.True(sequence.Entries.IsEmpty);
        Assert.True(sequence.RecentEvents.IsEmpty);
        Assert.Equal((0L, 0L, 0L), (sequence.Count, sequence.LastTimestampMs, sequence.Position));
        Assert.False(sequence.HasSeen("e"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(50)]
    [InlineData(1024)]
    public void The_newest_entries_are_kept_in_order_whatever_the_capacity(int capacity)
    {
        var sequence = new BehaviorSequence("u");
        for (var item = 0; item < 2500; item++)
        {
            sequence.Apply(item, InteractionType.View, item, null, capacity);

            var kept = Math.Min(item + 1, capacity);
            Assert.Equal(kept, sequence.Entries.Length);
            Assert.Equal(item, sequence.Entries[^1].Item);
            Assert.Equal(item + 1 - kept, sequence.Entries[0].Item);
        }

        Assert.Equal(
            Enumerable.Range(2500 - capacity, capacity), sequence.Entries.ToArray().Select(entry => entry.Item));
    }

    [Fact]
    public void The_count_goes_on_when_entries_are_dropped()
    {
        var sequence = new BehaviorSequence("u");
        for (var i = 0; i < 10; i++)
        {
            sequence.Apply(i, InteractionType.Click, 1000 + i, null, capacity: 3);
        }

        Assert.Equal(10, sequence.Count);
        Assert.Equal(3, sequence.Entries.Length);
        Assert.Equal(1009, sequence.LastTimestampMs);
    }

    [Fact]
    public void A_smaller_capacity_than_before_drops_the_oldest_down_to_it()
    {
        var sequence = new BehaviorSequence("u");
        for (var i = 0; i < 10; i++)
        {
            sequence.Apply(i, InteractionType.Click, 0, null, capacity: 10);
        }

        sequence.Apply(10, InteractionType.Click, 0, null, capacity: 4);

        Assert.Equal([7, 8, 9, 10], sequence.Entries.ToArray().Select(entry => entry.Item));
    }

    [Fact]
    public void A_larger_capacity_than_before_lets_it_grow_on()
    {
        var sequence = new BehaviorSequence("u");
        for (var i = 0; i < 6; i++)
        {
            sequence.Apply(i, InteractionType.Click, 0, null, capacity: i < 4 ? 2 : 5);
        }

        Assert.Equal([2, 3, 4, 5], sequence.Entries.ToArray().Select(entry => entry.Item));
    }

    [Fact]
    public void The_last_timestamp_is_that_of_the_last_interaction_even_if_it_is_older()
    {
        var sequence = new BehaviorSequence("u");
        sequence.Apply(1, InteractionType.Click, 2000, null, 10);
        sequence.Apply(2, InteractionType.Click, 1000, null, 10);

        Assert.Equal(1000, sequence.LastTimestampMs);
    }

    [Fact]
    public void The_last_256_event_ids_are_recognised_and_the_one_before_them_is_not()
    {
        var sequence = new BehaviorSequence("u");
        for (var i = 0; i <= BehaviorSequence.MaxRecentEvents; i++)
        {
            sequence.Apply(i, InteractionType.Click, 0, $"event-{i}", capacity: 4);
        }

        Assert.Equal(256, BehaviorSequence.MaxRecentEvents);
        Assert.Equal(256, sequence.RecentEvents.Length);
        Assert.False(sequence.HasSeen("event-0"));
        Assert.All(Enumerable.Range(1, 256), i => Assert.True(sequence.HasSeen($"event-{i}")));
    }

    [Fact]
    public void Recent_events_are_kept_oldest_first()
    {
        var sequence = new BehaviorSequence("u");
        for (var i = 0; i < 1000; i++)
        {
            sequence.Apply(i, InteractionType.Click, 0, $"event-{i}", capacity: 4);
        }

        Assert.Equal(
            Enumerable.Range(744, 256).Select(i => BehaviorSequence.Fingerprint($"event-{i}")), sequence.RecentEvents.ToArray());
    }

    [Fact]
    public void Interactions_without_an_event_id_take_no_place_among_the_recent_events()
    {
        var sequence = new BehaviorSequence("u");
        sequence.Apply(0, InteractionType.Click, 0, "event", capacity: 4);
        for (var i = 0; i < 1000; i++)
        {
            sequence.Apply(i, InteractionType.Click, 0, null, capacity: 4);
        }

        Assert.True(sequence.HasSeen("event"));
        Assert.Equal(1, sequence.RecentEvents.Length);
    }

    [Theory]
    [InlineData("", 14695981039346656037UL)]
    [InlineData("a", 620337896427418084UL)]
    [InlineData("shop-1-0", 9454987068968625960UL)]
    [InlineData("01890a5d-ac96-774b-bcce-b302099a8057", 13569564837587934889UL)]
    [InlineData("größe-漢", 12728483504799453234UL)]
    public void The_fingerprint_of_an_event_id_never_changes(string eventId, ulong stored) =>
        Assert.Equal(stored, BehaviorSequence.Fingerprint(eventId));

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(50)]
    public void A_saved_state_and_the_rest_of_the_journal_fold_to_what_the_whole_journal_folds_to(int capacity)
    {
        var random = new Random(17);
        var interactions = Enumerable.Range(0, 600).Select(i => (
            Item: random.Next(SequenceEntry.MaxItems),
            Type: (InteractionType)random.Next(6),
            Time: random.NextInt64(1L << 41),
            Event: random.Next(3) == 0 ? null : $"event-{i}")).ToList();
        var whole = new BehaviorSequence("u");
        foreach (var (item, type, time, id) in interactions)
        {
            whole.Apply(item, type, time, id, capacity);
        }

        foreach (var saved in new[] { 0, 1, 5, 299, 599, 600 })
        {
            var before = new BehaviorSequence("u");
            foreach (var (item, type, time, id) in interactions.Take(saved))
            {
                before.Apply(item, type, time, id, capacity);
            }

            var after = new BehaviorSequence(
                "u", before.Count, before.LastTimestampMs, 7, before.Entries.ToArray(), before.RecentEvents.ToArray());
            Assert.Equal(7, after.Position);
            foreach (var (item, type, time, id) in interactions.Skip(saved))
            {
                after.Apply(item, type, time, id, capacity);
            }

            Assert.Equal((whole.Count, whole.LastTimestampMs), (after.Count, after.LastTimestampMs));
            Assert.Equal(whole.Entries.ToArray(), after.Entries.ToArray());
            Assert.Equal(whole.RecentEvents.ToArray(), after.RecentEvents.ToArray());
        }
    }

    [Fact]
    public void A_short_sequence_takes_no_more_room_than_it_was_loaded_with_until_it_grows()
    {
        SequenceEntry[] saved = [new(3, InteractionType.Cart)];
        var sequence = new BehaviorSequence("u", 9, 5, 2, saved, null);

        Assert.Equal(saved, sequence.Entries.ToArray());
        Assert.True(sequence.RecentEvents.IsEmpty);

        sequence.Apply(4, InteractionType.Click, 6, "event", capacity: 100);

        Assert.Equal([3, 4], sequence.Entries.ToArray().Select(entry => entry.Item));
        Assert.Equal(10, sequence.Count);
        Assert.True(sequence.HasSeen("event"));
    }
}

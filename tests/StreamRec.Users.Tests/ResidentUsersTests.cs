using StreamRec.Domain;

namespace StreamRec.Users.Tests;

public sealed class ResidentUsersTests
{
    private readonly ResidentUsers _users = new();

    [Fact]
    public void Unsaved_users_are_never_dropped()
    {
        Add(10);
        _users.SetResidency(3, Residency.Dirty);
        _users.SetResidency(7, Residency.Saving);
        _users.Evict(0);
        Assert.Equal(2, _users.Count);
        Assert.True(_users.TryFind("u3", out _));
        Assert.True(_users.TryFind("u7", out _));
    }

    [Fact]
    public void A_user_found_since_the_hand_came_by_gets_a_second_chance()
    {
        Add(10);

        // The first round takes every second chance away, then one user is dropped.
        _users.Evict(9);
        for (var i = 0; i < 8; i++)
        {
            _users.TryFind($"u{i}", out _);
        }

        _users.Evict(8);
        Assert.All(Enumerable.Range(2, 6), i => Assert.True(_users.TryFind($"u{i}", out _)));
        Assert.Equal(8, _users.Count);
    }

    [Fact]
    public void Slots_are_stable_while_users_stay_and_are_used_again()
    {
        Add(1000);
        Assert.True(_users.TryFind("u999", out var slot));
        Assert.Equal("u999"u8, _users[slot].UserId);
        _users.Remove(5);
        Assert.Equal(5, _users.Add(new BehaviorSequence("new")));
        Assert.Equal(Residency.Clean, _users.ResidencyOf(5));
        Assert.True(_users.TryFind("u999", out var same));
        Assert.Equal(slot, same);
    }

    [Fact]
    public void A_user_in_memory_is_the_sequence_that_it_packs()
    {
        var random = new Random(7);
        var expected = new Dictionary<string, BehaviorSequence>();
        for (var step = 0; step < 60_000; step++)
        {
            // Ids of every length, in one to four bytes a character; few enough that each grows past its capacity.
            var number = random.Next(400);
            var id = (number % 3) switch { 0 => $"user-{number}", 1 => $"ü{number}{new string('ж', number % 100)}", _ => $"{number}🙂" };
            if (!expected.TryGetValue(id, out var sequence))
            {
                sequence = expected[id] = Saved(random, id);
                _users.Add(Copy(sequence));
            }

            Assert.True(_users.TryFind(id, out var slot));
            var (item, time, eventId) = (random.Next(SequenceEntry.MaxItems), random.NextInt64(long.MaxValue), random.Next(3) == 0 ? $"e{random.Next(5000)}" : null);
            Assert.Equal(eventId is not null && sequence.HasSeen(eventId), eventId is not null && _users[slot].HasSeen(eventId));
            _users[slot].Apply(item, (InteractionType)random.Next(6), time, eventId, capacity: 1 + number);
            sequence.Apply(item, _users[slot].Entries[^1].Type, time, eventId, capacity: 1 + number);
            if (random.Next(200) == 0)
            {
                AssertSame(sequence, _users[slot]);
                _users.Remove(slot);
                expected.Remove(id);
                Assert.False(_users.TryFind(id, out _));
            }
        }

        Assert.Equal(expected.Count, _users.Count);
        foreach (var (id, sequence) in expected)
        {
            Assert.True(_users.TryFind(id, out var slot));
            AssertSame(sequence, _users[slot]);
        }
    }

    [Fact]
    public void Look_ups_together_find_whom_single_ones_find()
    {
        Add(3000);
        var random = new Random(5);
        for (var round = 0; round < 20; round++)
        {
            for (var i = 0; i < 50 && _users.TryFind($"u{random.Next(3000)}", out var gone); i++)
            {
                _users.Remove(gone);
            }

            // A third was never there.
            var records = new IngestedInteractions();
            for (var i = 0; i < 500; i++)
            {
                records.Add(i, new Interaction($"u{random.Next(4500)}", "i", InteractionType.Click, 0));
            }

            var slots = new int[records.Count];
            _users.Find(records, new int[records.Count], slots);
            Assert.All(slots, (slot, i) => Assert.Equal(_users.TryFind(records.UserId(i), out var expected) ? expected : -1, slot));
        }
    }

    [Fact]
    public void What_is_no_id_is_refused() => Assert.All(["", "a\n", "x\ud800", new string('ж', 129)], id =>
    {
        Assert.Throws<ArgumentException>(() => _users.Add(new BehaviorSequence(id)));
        Assert.Equal(0, _users.Count);
        Assert.False(_users.TryFind(id, out _));
    });

    [Fact]
    public void The_dirty_users_are_found_in_order_and_only_they()
    {
        Add(1000);
        Assert.Equal(1000, _users.NextDirty(0));
        foreach (var slot in new[] { 999, 64, 63, 500, 0 })
        {
            _users.SetResidency(slot, Residency.Dirty);
        }

        _users.Remove(500);
        _users.SetResidency(64, Residency.Saving);
        Assert.Equal([0, 63, 999, 1000], new[] { 0, 1, 64, 1000 }.Select(_users.NextDirty));
    }

    private static BehaviorSequence Saved(Random random, string id)
    {
        var sequence = new BehaviorSequence(id) { Position = random.Next(100) };
        for (var i = random.Next(80); i > 0; i--)
        {
            sequence.Apply(i, InteractionType.View, i, i % 2 == 0 ? $"e{i}" : null, capacity: 1000);
        }

        return sequence;
    }

    private static BehaviorSequence Copy(BehaviorSequence state) => new(
        state.UserId, state.Count, state.LastTimestampMs, state.Position, state.Entries.ToArray(), state.RecentEvents.ToArray());

    private static void AssertSame(BehaviorSequence expected, ResidentUser user)
    {
        var actual = user.State.ToSequence();
        Assert.Equal(
            (expected.UserId, expected.Count, expected.LastTimestampMs, expected.Position),
            (actual.UserId, actual.Count, actual.LastTimestampMs, actual.Position));
        Assert.Equal(expected.Entries, actual.Entries);
        Assert.Equal(expected.RecentEvents, actual.RecentEvents);
    }

    private void Add(int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i, _users.Add(new BehaviorSequence($"u{i}")));
        }
    }
}

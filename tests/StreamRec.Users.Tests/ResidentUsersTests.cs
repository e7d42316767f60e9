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
        Assert.True(_users.TryFind("u3", out int _));
        Assert.True(_users.TryFind("u7", out int _));
    }

    [Fact]
    public void A_user_found_since_the_hand_came_by_gets_a_second_chance()
    {
        Add(10);

        // The first round takes every second chance away, then one user is dropped.
        _users.Evict(9);
        for (var i = 0; i < 8; i++)
        {
            _users.TryFind($"u{i}", out int _);
        }

        _users.Evict(8);
        Assert.All(Enumerable.Range(2, 6), i => Assert.True(_users.TryFind($"u{i}", out int _)));
        Assert.Equal(8, _users.Count);
    }

    [Fact]
    public void Slots_are_stable_while_users_stay_and_are_used_again()
    {
        Add(1000);
        Assert.True(_users.TryFind("u999", out int slot));
        Assert.Equal("u999", _users[slot].UserId);
        _users.Remove(5);
        Assert.Equal(5, _users.Add(new BehaviorSequence("new")));
        Assert.Equal(Residency.Clean, _users.ResidencyOf(5));
        Assert.True(_users.TryFind("u999", out int same));
        Assert.Equal(slot, same);
    }

    private void Add(int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i, _users.Add(new BehaviorSequence($"u{i}")));
        }
    }
}

using StreamRec.Domain;

namespace StreamRec.Users.Tests;

public sealed class UserActorTests
{
    [Theory]
    [InlineData(InteractionType.Click, null, false, RecommendOn.EveryInteraction, UserEffects.Append | UserEffects.AskList)]
    [InlineData(InteractionType.Click, null, false, RecommendOn.RequestsOnly, UserEffects.Append)]
    [InlineData(InteractionType.Impression, null, false, RecommendOn.EveryInteraction, UserEffects.Append)]
    [InlineData(InteractionType.Click, "new", false, RecommendOn.EveryInteraction, UserEffects.Append | UserEffects.AskList)]
    [InlineData(InteractionType.Click, "seen", false, RecommendOn.EveryInteraction, UserEffects.None)]
    [InlineData(InteractionType.Click, "seen", true, RecommendOn.EveryInteraction, UserEffects.AskList)]
    [InlineData(InteractionType.Click, null, true, RecommendOn.RequestsOnly, UserEffects.None)]
    [InlineData(InteractionType.Impression, null, true, RecommendOn.EveryInteraction, UserEffects.None)]
    internal void A_decision_follows_from_state_and_message(
        InteractionType type, string? eventId, bool applied, RecommendOn recommendOn, UserEffects expected)
    {
        var users = new ResidentUsers();
        var state = users[users.Add(new BehaviorSequence("u"))];
        UserActor.Evolve(state, 1, InteractionType.Click, 1, "seen", maxSequence: 10);
        Assert.Equal(expected, UserActor.Decide(state, new Observe(type, eventId, applied), recommendOn));
        Assert.Equal(1, state.Count);
    }

    [Fact]
    public void An_event_id_is_recognised_among_the_last_256_and_no_longer()
    {
        var users = new ResidentUsers();
        var slot = users.Add(new BehaviorSequence("u"));
        for (var i = 0; i <= BehaviorSequence.MaxRecentEvents; i++)
        {
            UserActor.Evolve(users[slot], 1, InteractionType.Click, 1, $"e{i}", maxSequence: 10);
        }

        Assert.Equal(UserEffects.None, Decide("e1"));
        Assert.Equal(UserEffects.Append | UserEffects.AskList, Decide("e0"));

        UserEffects Decide(string eventId) =>
            UserActor.Decide(users[slot], new Observe(InteractionType.Click, eventId, Applied: false), RecommendOn.EveryInteraction);
    }

    [Fact]
    public void Requests_and_forgetting_do_not_depend_on_the_state()
    {
        Assert.Equal(UserEffects.AskList, UserActor.Decide(default(Recommend)));
        Assert.Equal(UserEffects.Forget, UserActor.Decide(default(Forget)));
    }
}

using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>What the shard has to do for one message of one user.</summary>
[Flags]
internal enum UserEffects
{
    None = 0,

    /// <summary>Journal the interaction and let the state evolve.</summary>
    Append = 1,

    /// <summary>Ask for a list once everything before is durable.</summary>
    AskList = 2,

    /// <summary>Drop the state and have the journal remove every trace.</summary>
    Forget = 4,
}

/// <summary>An interaction arrived.</summary>
/// <param name="Type">What was done.</param>
/// <param name="EventId">The producer's id, or null.</param>
/// <param name="Applied">The journal's position is past the record: the state holds it, or held it before the user was forgotten.</param>
internal readonly record struct Observe(InteractionType Type, string? EventId, bool Applied);

/// <summary>Somebody asks for a list now.</summary>
internal readonly record struct Recommend;

/// <summary>The user is to be deleted.</summary>
internal readonly record struct Forget;

/// <summary>One user's behaviour: a decision that only reads the state and says what follows, and an evolution that only changes it.</summary>
/// <remarks>
/// A virtual actor: the shard calls it with the state of the user concerned, one message at a time. There is no I/O in here, and recovery
/// uses the same <see cref="Evolve"/>, so what is in memory equals the fold of the journal.
/// </remarks>
internal static class UserActor
{
    /// <summary>
    /// A redelivered record changes nothing, but its user is still owed a list unless the user was forgotten. A repeated event id changes
    /// nothing. Impressions are kept and ask for nothing.
    /// </summary>
    public static UserEffects Decide(ResidentUser state, in Observe message, RecommendOn recommendOn)
    {
        var asks = recommendOn == RecommendOn.EveryInteraction && message.Type != InteractionType.Impression
            ? UserEffects.AskList
            : UserEffects.None;
        if (message.Applied)
        {
            return state.Count > 0 ? asks : UserEffects.None;
        }

        return message.EventId is not null && state.HasSeen(message.EventId) ? UserEffects.None : UserEffects.Append | asks;
    }

    /// <summary>A request is answered whatever the state: a user without one gets the cold-start list.</summary>
    public static UserEffects Decide(in Recommend _) => UserEffects.AskList;

    /// <summary>Forgetting goes to the journal whatever the state: it may hold more than memory does.</summary>
    public static UserEffects Decide(in Forget _) => UserEffects.Forget;

    /// <summary>Applies a journalled interaction.</summary>
    public static void Evolve(
        ResidentUser state, int item, InteractionType type, long timestampMs, string? eventId, int maxSequence) =>
        state.Apply(item, type, timestampMs, eventId, maxSequence);
}

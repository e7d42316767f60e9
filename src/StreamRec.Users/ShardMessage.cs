using StreamRec.Actors;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>What a shard is told.</summary>
internal abstract record ShardMessage
{
    /// <summary>A batch from ingest.</summary>
    /// <param name="Batch">The batch.</param>
    /// <param name="IngestedAt">Clock ticks when its first record was read.</param>
    public sealed record Deliver(InteractionBatch Batch, long IngestedAt) : ShardMessage;

    /// <summary>Time to save, or the save under way has ended.</summary>
    /// <param name="Due">A new round is due.</param>
    public sealed record Save(bool Due) : ShardMessage;

    /// <summary>The finisher has failed; the shard looks at the reason.</summary>
    public sealed record Fail : ShardMessage;

    /// <summary>Finish what was delivered, save, and wait for lists under way. The last message of a shard.</summary>
    public sealed record Close(Reply<bool> Done) : ShardMessage;

    /// <summary>A question about one user.</summary>
    /// <param name="UserId">The user.</param>
    /// <param name="Anyway">Answer from the journal when the user is not resident; otherwise say that it is not here.</param>
    public abstract record UserRequest(string UserId, bool Anyway) : ShardMessage;

    /// <summary>Show the state. The outer answer is null when the user is not here.</summary>
    public sealed record Show(string UserId, bool Anyway, Reply<Found<UserSnapshot?>?> Found) : UserRequest(UserId, Anyway);

    /// <summary>Ask for a list. The answer says whether it was asked for; it is null when the user is not here.</summary>
    public sealed record Recommend(string UserId, bool Anyway, RecommendationRequest Request, Reply<Found<bool>?> Found)
        : UserRequest(UserId, Anyway);

    /// <summary>Delete the user. The answer is null when the user is not here.</summary>
    public sealed record Forget(string UserId, bool Anyway, Reply<Found<ForgetReceipt>?> Found) : UserRequest(UserId, Anyway);
}

/// <summary>An answer from the shard that has the user.</summary>
internal readonly record struct Found<T>(T Answer);

/// <summary>What a request asks for.</summary>
internal sealed record RecommendationRequest(
    int K, IReadOnlyCollection<int> Exclude, Cause Cause, Action<Recommendation?> Completed)
{
    /// <summary>The request to inference from a user's state; null for a user of whom nothing is known.</summary>
    public ListRequest From(string userId, BehaviorSequence? state) =>
        new(userId, state?.Count ?? 0, state is null ? default : state.Entries.ToArray(), K, Exclude, Cause)
        {
            Supersedes = false,
            Completed = Completed,
        };
}

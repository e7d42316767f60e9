namespace StreamRec.Domain;

/// <summary>Which checkpoint computed a list.</summary>
/// <param name="Family">The model family, for example <c>recgpt</c>.</param>
/// <param name="Version">The version within the family, ascending.</param>
/// <param name="Variant">The part it plays: <c>champion</c>, later also <c>challenger</c>.</param>
public sealed record ModelVersion(string Family, int Version, string Variant = "champion")
{
    /// <summary><c>family@version</c>, as people write it.</summary>
    public override string ToString() => $"{Family}@{Version}";
}

/// <summary>Why a list was not computed by a model.</summary>
public enum Fallback
{
    /// <summary>A model computed it.</summary>
    None,

    /// <summary>The serving model knows nothing of this user's window.</summary>
    ColdStart,

    /// <summary>No model serves yet.</summary>
    NoModel,

    /// <summary>The model could not answer in time or at all.</summary>
    Overload,
}

/// <summary>What made a list: an interaction or a request.</summary>
/// <param name="Source">The interaction's partition; null for a request.</param>
/// <param name="Offset">The interaction's offset.</param>
/// <param name="EventId">The interaction's own id, or null.</param>
/// <param name="RequestId">The request's id; null for an interaction.</param>
/// <param name="TraceParent">The W3C <c>traceparent</c> to carry on, or null.</param>
/// <param name="IngestedAt"><see cref="System.Diagnostics.Stopwatch"/> ticks when it entered this process, for the latency from interaction to list.</param>
public readonly record struct Cause(
    SourcePartition? Source, long Offset, string? EventId, string? RequestId, string? TraceParent, long IngestedAt);

/// <summary>Asks for one user's list.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Sequence">How many of the user's interactions are in <paramref name="History"/>'s state.</param>
/// <param name="History">A snapshot of the retained sequence, oldest first, impressions included.</param>
/// <param name="K">Items wanted, 1 or more.</param>
/// <param name="Exclude">Item numbers that must not be in the list, besides what the user has had; may be empty.</param>
/// <param name="Cause">What made the request.</param>
public sealed record ListRequest(
    string UserId, long Sequence, ReadOnlyMemory<SequenceEntry> History, int K, IReadOnlyCollection<int> Exclude, Cause Cause)
{
    /// <summary>A superseding request takes the place of this user's waiting one; a caller that waits for an answer of its own sets false.</summary>
    public bool Supersedes { get; init; } = true;

    /// <summary>Called once, from any thread, without blocking: the list is published, or a newer request of the user took its place (null).</summary>
    public required Action<Recommendation?> Completed { get; init; }
}

/// <summary>One place of a list.</summary>
/// <param name="Item">The catalogue's item number.</param>
/// <param name="Score">The model's score: finite, comparable within one list.</param>
/// <param name="Source">Where the candidate came from, for example <c>recgpt</c> or <c>popularity</c>.</param>
public readonly record struct RankedItem(int Item, float Score, string Source);

/// <summary>One user's list, best first: distinct available items that the user has not had.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Sequence">How many of the user's interactions the list has taken into account.</param>
/// <param name="Items">At most k items, scores descending.</param>
/// <param name="Model">What computed it; null only when no model serves.</param>
/// <param name="Fallback">Why it is not the model's, or None.</param>
/// <param name="Cause">What made it.</param>
/// <param name="K">Items asked for.</param>
/// <param name="GeneratedAt">When.</param>
public sealed record Recommendation(
    string UserId,
    long Sequence,
    IReadOnlyList<RankedItem> Items,
    ModelVersion? Model,
    Fallback Fallback,
    Cause Cause,
    int K,
    DateTimeOffset GeneratedAt);

/// <summary>Where the users stage asks for lists. Implemented by the inference stage.</summary>
public interface IListRequests
{
    /// <summary>Queues a request; completes when there is room. A waiting request of the same user is superseded and takes no new room.</summary>
    ValueTask PostAsync(ListRequest request, CancellationToken cancellationToken);
}

/// <summary>Where finished lists go. Implemented by the Kafka stage.</summary>
public interface IRecommendationSink
{
    /// <summary>
    /// Publishes a list. Lists of one user are published in the order of the calls. Blocks only while the producer's bounded queue is full.
    /// </summary>
    /// <param name="recommendation">The list.</param>
    /// <param name="published">Called once when the broker has acknowledged it; never called when it could not be published, which stops the host.</param>
    void Publish(Recommendation recommendation, Action published);
}

/// <summary>Sees every interaction once it is durable: popularity, prequential quality, the trainer's trigger.</summary>
public interface IInteractionObserver
{
    /// <summary>Called by the shard that owns the user, in the user's order. Must be quick and must not block.</summary>
    /// <param name="userId">The user's id in UTF-8; valid only during the call.</param>
    /// <param name="entry">Item and type.</param>
    /// <param name="historyBefore">The retained sequence before this interaction, oldest first; valid only during the call.</param>
    void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore);
}

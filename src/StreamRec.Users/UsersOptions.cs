namespace StreamRec.Users;

/// <summary>When a user gets a list.</summary>
public enum RecommendOn
{
    /// <summary>After each interaction that is not an impression, and on request.</summary>
    EveryInteraction,

    /// <summary>Only on request: interactions are applied, durable, and then finished.</summary>
    RequestsOnly,
}

/// <summary>Settings of the user shards.</summary>
public sealed record UsersOptions
{
    public const string SectionName = "Users";

    /// <summary>Entries kept for each user, 1 to 65,536; past that the oldest is dropped from memory and state (the journal keeps it).</summary>
    public int MaxSequence { get; init; } = 1024;

    /// <summary>Users in memory on this node, 1 or more, shared evenly by the open shards. Above it the least recently used are saved and dropped.</summary>
    public int ResidentUsers { get; init; } = 200_000;

    /// <summary>Batches that may wait before a shard, 1 to 1,024. When full, ingest pauses the partition.</summary>
    public int MailboxBatches { get; init; } = 8;

    /// <summary>Interactions that one turn takes together while batches wait, 1 or more; a batch is never split, so a turn holds at least one.</summary>
    public int TurnInteractions { get; init; } = 2048;

    /// <summary>Turns of a shard whose commit or lists are under way while the next is decided, 1 to 64.</summary>
    public int CommitsInFlight { get; init; } = 4;

    /// <summary>How often changed users are saved, 10 ms to 1 hour. A restart replays about this much of the journal.</summary>
    public TimeSpan SaveInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Users in one save, 1 to 1,000,000.</summary>
    public int SaveBatch { get; init; } = 5000;

    /// <summary>Items in a list that an interaction asks for, 1 to 1,000.</summary>
    public int K { get; init; } = 10;

    /// <summary>When a user gets a list.</summary>
    public RecommendOn RecommendOn { get; init; } = RecommendOn.EveryInteraction;

    /// <summary>
    /// How long closing a partition waits for lists under way, 0 to 5 minutes. Lists that are not out by then are made again by the next owner.
    /// </summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

namespace StreamRec.Journal;

/// <summary>When a commit counts as durable.</summary>
public enum JournalSynchronous
{
    /// <summary>Every commit is synced before it is acknowledged: survives kill -9 and power loss.</summary>
    Full,

    /// <summary>
    /// Commits are synced at checkpoints only: survives kill -9, but a power loss may take the last commits with it.
    /// </summary>
    Normal,
}

/// <summary>Settings of the journal, section <c>Journal</c>.</summary>
public sealed record JournalOptions
{
    public const string SectionName = "Journal";

    /// <summary>
    /// The SQLite file; its folder is created. <c>-wal</c>, <c>-shm</c> and <c>.lock</c> stand beside it. Relative to the
    /// working directory.
    /// </summary>
    public string Path { get; init; } = System.IO.Path.Combine("data", "journal.db");

    /// <summary>
    /// PostgreSQL, shared by all nodes, instead of the file: an Npgsql connection string, such as
    /// <c>Host=db;Database=streamrec;Username=streamrec;Password=…</c>. Null: the file.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>
    /// How many items may get a number, 1 to 2^29; one more is refused with <see cref="Domain.CatalogueFullException"/>.
    /// </summary>
    public int MaxItems { get; init; } = 10_000_000;

    /// <summary>
    /// How many appends, saves and acquisitions may wait for the writer, 1 to 65,536, and so how many can share one commit.
    /// Past it callers wait: a shard has few in flight, so the default is never reached by less than a hundred shards.
    /// </summary>
    public int CommitQueue { get; init; } = 1024;

    /// <summary>
    /// How many small segments (below 1 KiB: what a few interactions at a time leave) gather before neighbours among them are joined into one
    /// row, 0 to 65,536; 0: never. More make longer rows, and the commits that join take longer.
    /// </summary>
    public int JoinSegments { get; init; } = 4096;

    /// <summary>What an acknowledgement promises.</summary>
    public JournalSynchronous Synchronous { get; init; } = JournalSynchronous.Full;
}

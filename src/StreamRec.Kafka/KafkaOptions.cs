namespace StreamRec.Kafka;

/// <summary>Settings of the Kafka stage.</summary>
public sealed record KafkaOptions
{
    public const string SectionName = "Kafka";

    /// <summary><c>host:port</c> separated by commas; null: an embedded broker inside this process.</summary>
    public string? BootstrapServers { get; init; }

    /// <summary>
    /// Which log the topics of a Kafka cluster are: 1 to 64 letters, digits, dots, hyphens or underscores; null for the first one. A topic that
    /// was deleted and created again needs another name, because its offsets begin again. An embedded broker names its own log.
    /// </summary>
    public string? Log { get; init; }

    /// <summary>Names of the topics.</summary>
    public TopicNames Topics { get; init; } = new();

    /// <summary>Partitions of topics that have to be created, in [1, 10000]. Existing topics keep theirs.</summary>
    public int Partitions { get; init; } = 4;

    /// <summary>Consumer group: processes with the same one share the partitions.</summary>
    public string GroupId { get; init; } = "streamrec";

    /// <summary>
    /// Static membership (<c>group.instance.id</c>): a name of this process alone, under which it gets its partitions back when it is gone for less
    /// than the session timeout (<c>session.timeout.ms</c>, 45 s), without the others having to stop. Null: the group shares out anew each time.
    /// </summary>
    public string? InstanceId { get; init; }

    /// <summary>Bytes of a record's value, in [1024, 10485760]; a larger one is dead-lettered unread.</summary>
    public int MaxRecordBytes { get; init; } = 65536;

    /// <summary>Records handed over at most in one batch, in [1, 100000].</summary>
    public int BatchSize { get; init; } = 2000;

    /// <summary>How long a poll waits when nothing arrives, in [1 ms, 10 s]; also the delay with which a stop is noticed.</summary>
    public TimeSpan PollTimeout { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a first connection may take before the start fails, in [1 s, 10 min].</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a shard may take to give up a partition, in [1 s, 5 min]; afterwards its appends are refused by the next owner's epoch.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>librdkafka settings of consumers.</summary>
    public KafkaClientOptions Consumer { get; init; } = new();

    /// <summary>librdkafka settings of producers and of the client that creates topics.</summary>
    public KafkaClientOptions Producer { get; init; } = new();
}

/// <summary>Names of the topics; each may have letters, digits, dots, hyphens and underscores, at most 249.</summary>
public sealed record TopicNames
{
    public string Interactions { get; init; } = "streamrec.interactions";

    public string Items { get; init; } = "streamrec.items";

    public string Requests { get; init; } = "streamrec.requests";

    public string Recommendations { get; init; } = "streamrec.recommendations";

    public string DeadLetters { get; init; } = "streamrec.dead-letters";
}

/// <summary>Settings that go to librdkafka as they are.</summary>
public sealed record KafkaClientOptions
{
    /// <summary>Name and value as in librdkafka's CONFIGURATION.md. They replace our defaults, except those that carry a guarantee.</summary>
    public Dictionary<string, string> Config { get; init; } = [];
}

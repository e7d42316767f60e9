using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>What ingest has done and where it stands.</summary>
/// <param name="Consumed">Records read, usable or not.</param>
/// <param name="DeadLettered">Records dead-lettered, by error code.</param>
/// <param name="Filtered">Records left out because a setting says so, by reason; they are not dead-lettered.</param>
/// <param name="UnmatchedTypes">The types that meant nothing here.</param>
/// <param name="CommitFailures">Offset commits that failed; harmless, the journal's positions hold.</param>
/// <param name="Partitions">The partitions that this process owns.</param>
public sealed record IngestStatus(
    long Consumed,
    IReadOnlyDictionary<string, long> DeadLettered,
    IReadOnlyDictionary<string, long> Filtered,
    UnmatchedTypeCounts UnmatchedTypes,
    long CommitFailures,
    IReadOnlyList<PartitionStatus> Partitions)
{
    /// <summary>The gaps that wait for somebody's decision.</summary>
    public IReadOnlyList<LogGap> Gaps => [.. Partitions.Select(partition => partition.Gap).OfType<LogGap>()];
}

/// <summary>One owned partition.</summary>
/// <param name="Source">The partition.</param>
/// <param name="NextOffset">The offset that is read next.</param>
/// <param name="CompletedOffset">Everything below is durable and its lists are published or superseded; null when nothing is known yet.</param>
/// <param name="Lag">Records in the log that are not read yet; null while the log's end is unknown.</param>
/// <param name="IsPaused">Its shard is full.</param>
/// <param name="Gap">Why it is not read any more: records that it wanted are gone. Null while all is well.</param>
public sealed record PartitionStatus(
    SourcePartition Source, long NextOffset, long? CompletedOffset, long? Lag, bool IsPaused, LogGap? Gap);

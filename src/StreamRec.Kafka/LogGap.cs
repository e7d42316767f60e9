using StreamRec.Domain;

namespace StreamRec.Kafka;

/// <summary>Interactions that were to be read next are no longer in the log, or the log is not the one that was read before.</summary>
/// <remarks>Reading on would lose them without a trace; the partition stays unread until somebody has decided.</remarks>
/// <param name="Source">The partition.</param>
/// <param name="WantedOffset">The offset that had to be read next.</param>
/// <param name="AvailableOffset">The oldest offset that the log still has; below <paramref name="WantedOffset"/> it is the log's end.</param>
/// <param name="Message">What happened and what to do.</param>
public sealed record LogGap(SourcePartition Source, long WantedOffset, long AvailableOffset, string Message)
{
    /// <summary>How many offsets were lost; 0 when the log ends below the wanted offset.</summary>
    public long MissingOffsets => Math.Max(0, AvailableOffset - WantedOffset);

    /// <summary>Whether reading can go on without the missing records. Not in a log whose offsets have begun again: the journal would take them for records that it has.</summary>
    public bool CanBeAccepted => AvailableOffset > WantedOffset;

    internal static LogGap Dropped(SourcePartition source, long wanted, long oldest, bool isEmbedded) => new(
        source,
        wanted,
        oldest,
        $"{source}: offset {wanted} is wanted, the oldest available is {oldest}: {oldest - wanted} records were dropped before they were read. "
        + "The partition stands still; 'streamrec resume --accept-gap' goes on without them. "
        + (isEmbedded
            ? "The embedded broker keeps about 5 MiB per partition: let producers wait for the reader, or set Kafka:BootstrapServers to a Kafka cluster."
            : "Raise the topic's retention (retention.ms, retention.bytes) above the longest standstill, and send the records again if they exist elsewhere."));

    internal static LogGap Recreated(SourcePartition source, long wanted, long end) => new(
        source,
        wanted,
        end,
        $"{source}: offset {wanted} is wanted, but the log ends at {end}: the topic was deleted and created again, or the journal belongs to "
        + "another cluster. The partition stands still. Point Kafka:BootstrapServers or Kafka:Topics:Interactions at the log that the journal has "
        + "read; or, when this log is its successor, give it a name that the journal does not know yet (Kafka:Log) and start again: it is read from its beginning.");
}

using StreamRec.Domain;

namespace StreamRec.Kafka;

/// <summary>Interactions that were to be read next are no longer in the log, or the log is not the one that was read before.</summary>
/// <remarks>Reading on would lose them without a trace; the partition stays unread until somebody has decided.</remarks>
public sealed class LogGapException : Exception
{
    private LogGapException(SourcePartition source, long wantedOffset, long availableOffset, string message) : base(message)
    {
        Partition = source;
        WantedOffset = wantedOffset;
        AvailableOffset = availableOffset;
    }

    /// <summary>The partition.</summary>
    public SourcePartition Partition { get; }

    /// <summary>The offset that had to be read next.</summary>
    public long WantedOffset { get; }

    /// <summary>The oldest offset that the log still has; below <see cref="WantedOffset"/> it is the log's end.</summary>
    public long AvailableOffset { get; }

    /// <summary>How many offsets were lost; 0 when the log ends below the wanted offset.</summary>
    public long MissingOffsets => Math.Max(0, AvailableOffset - WantedOffset);

    internal static LogGapException Dropped(SourcePartition source, long wanted, long oldest) => new(
        source,
        wanted,
        oldest,
        $"{source}: offset {wanted} is wanted, the oldest available is {oldest}: {oldest - wanted} records were dropped before they were read. "
        + (source.Log.Length > 0
            ? "The embedded broker keeps about 5 MiB per partition: let producers wait for the reader, or set Kafka:BootstrapServers to a Kafka cluster."
            : "Raise the topic's retention (retention.ms, retention.bytes) above the longest standstill, and restore the records if they exist elsewhere."));

    internal static LogGapException Recreated(SourcePartition source, long wanted, long end) => new(
        source,
        wanted,
        end,
        $"{source}: offset {wanted} is wanted, but the log ends at {end}: the topic was deleted and created again, or the journal belongs to "
        + "another cluster. Point Kafka:BootstrapServers or Kafka:Topics:Interactions at the log that the journal has read, or use an empty journal.");
}

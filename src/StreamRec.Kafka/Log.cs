using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka;

/// <summary>Log messages of the Kafka stage: ids 1000 to 1999.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "Embedded broker listens on {BootstrapServers}, log {LogId}")]
    internal static partial void EmbeddedBrokerStarted(ILogger logger, string bootstrapServers, string logId);

    [LoggerMessage(1001, LogLevel.Information, "Connected to {BootstrapServers}: {Kind}")]
    internal static partial void Connected(ILogger logger, string bootstrapServers, string kind);

    [LoggerMessage(1002, LogLevel.Information, "Topics made available: {Topics}")]
    internal static partial void TopicsCreated(ILogger logger, string topics);

    [LoggerMessage(1003, LogLevel.Debug, "librdkafka {Facility}: {Text}")]
    internal static partial void Native(ILogger logger, string facility, string text);

    [LoggerMessage(1004, LogLevel.Warning, "Kafka: {Reason} ({Code}); the client tries again")]
    internal static partial void ClientError(ILogger logger, string reason, string code);

    [LoggerMessage(1010, LogLevel.Information, "{Source} opened at offset {Offset}, the log holds {Low} to {High}")]
    internal static partial void PartitionOpened(ILogger logger, string source, long offset, long low, long high);

    [LoggerMessage(1011, LogLevel.Information, "{Source} closed at offset {Offset}")]
    internal static partial void PartitionClosed(ILogger logger, string source, long offset);

    [LoggerMessage(1012, LogLevel.Debug, "{Source} paused at offset {Offset}: its shard is full")]
    internal static partial void PartitionPaused(ILogger logger, string source, long offset);

    [LoggerMessage(1013, LogLevel.Debug, "{Source} resumed at offset {Offset}")]
    internal static partial void PartitionResumed(ILogger logger, string source, long offset);

    [LoggerMessage(1014, LogLevel.Warning, "Offsets could not be committed ({Failures} times so far); the journal's positions hold")]
    internal static partial void CommitFailed(ILogger logger, Exception exception, long failures);

    [LoggerMessage(1015, LogLevel.Warning, "Shards did not close within {Timeout}; their appends are refused once the partitions have a new owner")]
    internal static partial void CloseTimedOut(ILogger logger, TimeSpan timeout);

    [LoggerMessage(1016, LogLevel.Critical, "{Message}")]
    internal static partial void LogGap(ILogger logger, string message);

    [LoggerMessage(1023, LogLevel.Warning, "{Source} goes on at offset {Available} instead of {Wanted}: {Missing} records are given up")]
    internal static partial void GapAccepted(ILogger logger, string source, long wanted, long available, long missing);

    [LoggerMessage(1024, LogLevel.Debug, "How many partitions {Topic} has is not known now: {Reason}")]
    internal static partial void PartitionsUnknown(ILogger logger, string topic, string reason);

    [LoggerMessage(1017, LogLevel.Critical, "Reading {Topic} ended")]
    internal static partial void ReaderFailed(ILogger logger, Exception exception, string topic);

    [LoggerMessage(1018, LogLevel.Debug, "{Partition} may begin a second late after its pause: {Reason}")]
    internal static partial void WakeFailed(ILogger logger, string partition, string reason);

    [LoggerMessage(1019, LogLevel.Warning, "The shard of {Source} is gone and not opened again yet: {Reason}")]
    public static partial void NotReopened(ILogger logger, string source, string reason);

    [LoggerMessage(1020, LogLevel.Critical, "A record could not be published to {Topic}: {Reason}")]
    internal static partial void PublishFailed(ILogger logger, string topic, string reason);

    [LoggerMessage(1021, LogLevel.Warning, "{Count} records were still unacknowledged when publishing to {Topic} ended")]
    internal static partial void FlushIncomplete(ILogger logger, int count, string topic);

    [LoggerMessage(1022, LogLevel.Warning, "{Source} offset {Offset} is too large for the dead-letter topic ({Bytes} bytes): written without its bytes")]
    internal static partial void DeadLetterWithoutBytes(ILogger logger, string source, long offset, long bytes);
}

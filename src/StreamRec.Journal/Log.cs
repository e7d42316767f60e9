using Microsoft.Extensions.Logging;

namespace StreamRec.Journal;

/// <summary>Log messages of this project: ids 3000 to 3999.</summary>
internal static partial class Log
{
    [LoggerMessage(3000, LogLevel.Information, "Journal {Path} is open: {Version}, {Items} items, position {Position}.")]
    public static partial void Opened(this ILogger logger, string path, string version, int items, long position);

    [LoggerMessage(3001, LogLevel.Information, "Journal {Path} is closed.")]
    public static partial void Closed(this ILogger logger, string path);

    [LoggerMessage(3002, LogLevel.Information, "Journal {Path} was brought from schema {From} to {To}.")]
    public static partial void Migrated(this ILogger logger, string path, long from, long to);

    [LoggerMessage(3003, LogLevel.Critical, "Journal {Path} failed and takes nothing more until it is reopened.")]
    public static partial void Failed(this ILogger logger, Exception exception, string path);

    [LoggerMessage(3004, LogLevel.Information,
        "User {Fingerprint} (SHA-256) is forgotten: {Interactions} interactions in {Segments} segments.")]
    public static partial void Forgotten(this ILogger logger, string fingerprint, long interactions, int segments);

    [LoggerMessage(3006, LogLevel.Error, "Journal {Name} does not answer. Nothing is lost: what waits is stored once it does.")]
    public static partial void Waits(this ILogger logger, Exception exception, string name);

    [LoggerMessage(3007, LogLevel.Information, "Journal {Name} answers again.")]
    public static partial void GoesOn(this ILogger logger, string name);

    [LoggerMessage(3008, LogLevel.Warning, "Journal {Name} is closed although it does not answer. What was not stored comes again from Kafka.")]
    public static partial void ClosedWaiting(this ILogger logger, string name);

    [LoggerMessage(3005, LogLevel.Warning,
        "The write-ahead log has grown to {Pages} pages because a reader holds an old snapshot; look for a long backup or query.")]
    public static partial void WriteAheadLogHeld(this ILogger logger, int pages);
}

using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Users;

internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Information,
        "Shard {Source} opened with epoch {Epoch}: {Segments} segments replayed for {Users} users, journal at {NextOffset}, reading from {CompletedOffset}.")]
    public static partial void ShardOpened(
        this ILogger logger, SourcePartition source, long epoch, int segments, int users, long nextOffset, long completedOffset);

    [LoggerMessage(2001, LogLevel.Information, "Shard {Source} closed: states saved, completed below offset {CompletedOffset}.")]
    public static partial void ShardClosed(this ILogger logger, SourcePartition source, long completedOffset);

    [LoggerMessage(2002, LogLevel.Warning,
        "Shard {Source} is fenced: it has another owner, or another node has forgotten one of its users. What was in memory is dropped; the journal has it.")]
    public static partial void ShardFenced(this ILogger logger, SourcePartition source, Exception exception);

    [LoggerMessage(2003, LogLevel.Error,
        "Shard {Source} failed. What was in memory is dropped; after a restart it comes back from the journal.")]
    public static partial void ShardFailed(this ILogger logger, SourcePartition source, Exception exception);

    [LoggerMessage(2004, LogLevel.Warning,
        "Closing shard {Source}: {Turns} turns still had lists under way after {Timeout}; the next owner makes those lists again. Raise Users:CloseTimeout if this is frequent.")]
    public static partial void CloseTimedOut(this ILogger logger, SourcePartition source, int turns, TimeSpan timeout);

    [LoggerMessage(2005, LogLevel.Debug, "Shard {Source}: over {Bound} users in memory and none of them saved; saving now.")]
    public static partial void SavingUnderPressure(this ILogger logger, SourcePartition source, int bound);

    [LoggerMessage(2006, LogLevel.Information, "User {UserFingerprint} forgotten: {Interactions} interactions removed from {Segments} segments.")]
    public static partial void UserForgotten(this ILogger logger, string userFingerprint, long interactions, int segments);
}

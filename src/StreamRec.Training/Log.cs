using Microsoft.Extensions.Logging;

namespace StreamRec.Training;

internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Information, "Training of {Family} starts")]
    public static partial void RunStarted(ILogger log, string family);

    [LoggerMessage(5001, LogLevel.Information, "Training ended with {Model}, activated: {Activated}. {Reason}. It took {Seconds:F1} s")]
    public static partial void RunEnded(ILogger log, string model, bool activated, string reason, double seconds);

    [LoggerMessage(5002, LogLevel.Error, "Training of {Family} failed. What serves goes on; the next trigger tries again")]
    public static partial void RunFailed(ILogger log, Exception exception, string family);
}

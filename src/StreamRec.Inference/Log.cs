using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Inference;

internal static partial class Log
{
    [LoggerMessage(4000, LogLevel.Critical, "An inference worker failed; the host stops")]
    public static partial void WorkerFailed(ILogger log, Exception exception);

    [LoggerMessage(4001, LogLevel.Error, "{Model} failed on a batch of {Lists}; these lists fall back to popularity")]
    public static partial void ModelFailed(ILogger log, ModelVersion model, int lists, Exception exception);

    [LoggerMessage(4002, LogLevel.Information, "{Model} serves (before: {Former}); loaded in {Milliseconds} ms")]
    public static partial void Activated(ILogger log, ModelVersion model, ModelVersion? former, long milliseconds);

    [LoggerMessage(4003, LogLevel.Warning, "{Model} was refused: {Reason}. {Live} stays")]
    public static partial void Rejected(ILogger log, ModelVersion model, string reason, ModelVersion? live);

    [LoggerMessage(4004, LogLevel.Information, "{Model} was published in {Directory}")]
    public static partial void Published(ILogger log, ModelVersion model, string directory);
}

using Microsoft.Extensions.Logging;

namespace StreamRec.Cli;

internal static partial class Log
{
    [LoggerMessage(6000, LogLevel.Information, "Ready. HTTP at {Url}, Kafka at {BootstrapServers}, serving: {Model}")]
    public static partial void Ready(ILogger log, Uri url, string bootstrapServers, string model);

    [LoggerMessage(6001, LogLevel.Information, "Stopping: what was taken in is finished, saved and published")]
    public static partial void Stopping(ILogger log);

    [LoggerMessage(6002, LogLevel.Critical, "A stage cannot go on; a restart recovers from the journal")]
    public static partial void Failed(ILogger log, Exception exception);

    [LoggerMessage(
        6003,
        LogLevel.Information,
        "{Interactions} interactions, {Lists} lists, p50 {P50Ms} ms, p99 {P99Ms} ms, model {Model}, HR@10 {HitRate} (transitions {Transitions}, popularity {Popularity}), lag {Lag}")]
    public static partial void Figures(
        ILogger log, long interactions, long lists, double p50Ms, double p99Ms, string model, double hitRate, double transitions, double popularity, long? lag);
}

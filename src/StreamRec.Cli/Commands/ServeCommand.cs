using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Server;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec serve</c>: the server, until it is told to stop.</summary>
internal static class ServeCommand
{
    private static readonly TimeSpan FigureInterval = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var command = new Command("serve", "Run the server: read interactions, keep users, publish lists, train.");
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result, LogLevel.Information);
            var log = logs.CreateLogger("streamrec");
            await using var pipeline = await Pipeline.StartAsync(options, TimeProvider.System, logs, cancellationToken);
            await using var api = await ApiServer.StartAsync(pipeline, logs, cancellationToken);
            Log.Ready(log, api.Address.Url, pipeline.Cluster.BootstrapServers, pipeline.Models.Serving?.ToString() ?? "no model yet");
            return await RunAsync(pipeline, log, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(Pipeline pipeline, ILogger log, CancellationToken cancellationToken)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = cancellationToken.Register(() => stopped.TrySetResult());
        while (await Task.WhenAny(pipeline.Failed, stopped.Task, Task.Delay(FigureInterval, CancellationToken.None)) is var first
            && first != stopped.Task)
        {
            if (first == pipeline.Failed)
            {
                Log.Failed(log, await pipeline.Failed);
                return ExitCode.Failure;
            }

            var figures = FiguresView.Of(pipeline);
            Log.Figures(
                log, figures.Interactions, figures.Lists, figures.P50Ms, figures.P99Ms, figures.Model ?? "none", figures.HitRate,
                figures.TransitionsHitRate, figures.PopularityHitRate, figures.Lag);
        }

        Log.Stopping(log);
        return ExitCode.Success;
    }
}

using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using StreamRec.Cli.Simulation;
using StreamRec.Kafka.Publish;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Server;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary>
/// <c>streamrec demo</c>: the whole path on embedded defaults: a simulated shop's clicks through Kafka into per-user actors and the journal,
/// lists out to a topic, a model that starts from nothing, and hot swaps as it learns.
/// </summary>
internal static class DemoCommand
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(500);

    public static Command Create()
    {
        var seconds = new Option<int>("--seconds") { Description = "How long it runs, 10 or more.", DefaultValueFactory = _ => 100 };
        var rate = new Option<double?>("--rate") { Description = "Interactions a second (default: 500; 200 with genrec-seq2seq, which writes its lists token by token)." };
        var family = new Option<string>("--family") { Description = "The family that learns: recgpt or genrec-seq2seq.", DefaultValueFactory = _ => "recgpt" };
        var seed = new Option<int>("--seed") { Description = "The same seed gives the same shop.", DefaultValueFactory = _ => 1 };
        var command = new Command("demo", "Watch it work: a simulated shop, from the first click to hot-swapped models.") { seconds, rate, family, seed };
        command.SetAction(async (result, cancellationToken) =>
        {
            if (result.GetValue(seconds) < 10)
            {
                throw new ArgumentException($"--seconds is {result.GetValue(seconds)}; it must be 10 or more.");
            }

            var text = result.GetValue(family) == GenRecFamily.FamilyName;
            // The demo starts from nothing each time, in a directory of its own, unless one is named.
            var scratch = Directory.CreateTempSubdirectory("streamrec-demo-");
            try
            {
                var options = Settings.Read(
                    result,
                    [
                        new("Server:DataDirectory", scratch.FullName),
                        new("Server:HttpPort", "0"),
                        new("Server:PrequentialWindow", "3000"),
                        new("Training:Family", result.GetValue(family)),
                        new("Training:Recipe", text ? WriteTextRecipe(scratch) : null),
                        new("Training:EveryInteractions", "6000"),
                        new("Training:Every", "00:00:20"),
                        new("Training:Budget", "00:00:12"),
                        new("Training:MaxEpochs", "12"),
                    ]);
                return await RunAsync(
                    result, options, TimeSpan.FromSeconds(result.GetValue(seconds)), result.GetValue(rate) ?? (text ? 200 : 500), result.GetValue(seed), cancellationToken);
            }
            finally
            {
                scratch.Delete(recursive: true);
            }
        });
        return command;
    }

    // Small enough to learn something in seconds on a CPU; one stage, because a first model makes the recipe's first one only.
    private static string WriteTextRecipe(DirectoryInfo scratch)
    {
        var path = Path.Combine(scratch.FullName, "recipe.json");
        File.WriteAllText(path, """
            {
              "family": "genrec-seq2seq",
              "model": { "hidden": 64, "encoderLayers": 1, "decoderLayers": 1, "heads": 2, "feedForward": 128, "idScale": 1 },
              "text": { "user": false },
              "stages": [{ "texts": 4, "learningRate": 0.003, "warmUpSteps": 20, "decay": "none" }]
            }
            """);
        return path;
    }

    private static async Task<int> RunAsync(
        ParseResult result, StreamRecOptions options, TimeSpan duration, double rate, int seed, CancellationToken cancellationToken)
    {
        using var logs = Settings.Logs(result, LogLevel.Error);
        var json = Settings.AsJson(result);
        var screen = new DemoScreen(json ? Console.Error : Console.Out, duration);
        screen.Say("Starting the embedded broker, the journal and the stages; joining the consumer group takes three seconds.");
        await using var pipeline = await Pipeline.StartAsync(options, TimeProvider.System, logs, cancellationToken);
        await using var api = await ApiServer.StartAsync(pipeline, logs, cancellationToken);
        screen.Say($"Kafka at {pipeline.Cluster.BootstrapServers} (any client can connect), HTTP at {api.Address.Url}.");
        pipeline.Models.Swapped += (version, before) => screen.Say(
            before is null ? $"{version} serves: the first model takes over from transitions." : $"{version} took over from {before}, without a pause.");

        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var shop = Task.Run(() => RunShopAsync(pipeline, rate, seed, logs, stopping.Token), CancellationToken.None);
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < duration && !cancellationToken.IsCancellationRequested)
        {
            if (pipeline.Failed.IsCompleted)
            {
                throw await pipeline.Failed;
            }

            if (shop.IsFaulted)
            {
                await shop;
            }

            screen.Show(FiguresView.Of(pipeline), pipeline.Training);
            await Task.Delay(Refresh, CancellationToken.None);
        }

        await stopping.CancelAsync();
        await shop;
        screen.Say("Finishing what is under way.");
        var figures = FiguresView.Of(pipeline);
        var models = ModelViews.List(pipeline.Registry, pipeline.Models.Serving);
        if (json)
        {
            Output.WriteJson(new { Figures = figures, Models = models });
        }
        else
        {
            screen.Summarise(figures, models, pipeline.Training.Runs);
        }

        return ExitCode.Success;
    }

    private static async Task RunShopAsync(Pipeline pipeline, double rate, int seed, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        using var producer = new InteractionProducer(pipeline.Cluster, pipeline.Options.Kafka, logs.CreateLogger<InteractionProducer>());
        var shop = new Shop(new ShopOptions { Seed = seed });
        foreach (var (id, title, category) in shop.Catalogue())
        {
            producer.Describe(id, title, category);
        }

        try
        {
            await Feed.SendAsync(producer, SimulateCommand.Stream(shop, long.MaxValue), rate, static _ => { }, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The demo is over.
        }
    }
}

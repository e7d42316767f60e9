using System.CommandLine;
using System.Globalization;
using StreamRec.Domain;
using StreamRec.Server;
using StreamRec.Server.Http;
using StreamRec.Torch;
using StreamRec.Training;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec train</c>: on the whole journal, by the strict protocol; with a running server, a run of its trainer.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var recipe = new Option<string?>("--recipe") { Description = "Recipe file, for example config/models/recgpt.json." };
        var epochs = new Option<int>("--epochs") { Description = "Passes at the most.", DefaultValueFactory = _ => 40 };
        var patience = new Option<int>("--patience") { Description = "Passes without a better validation before it stops.", DefaultValueFactory = _ => 4 };
        var batch = new Option<int>("--batch") { Description = "Histories in one step.", DefaultValueFactory = _ => 128 };
        var seed = new Option<int>("--seed") { Description = "Everything random follows from it.", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "Threads of one matrix operation; for models of this size more than one costs more than it brings.", DefaultValueFactory = _ => 1 };
        var activate = new Option<bool>("--activate") { Description = "Make the checkpoint champion." };
        var command = new Command("train", "Train a model on the journal and publish its checkpoint.") { recipe, epochs, patience, batch, seed, threads, activate };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            if (ServerClient.Find(options.Server.DataDirectory) is { } server)
            {
                using (server)
                {
                    return await OnServerAsync(server, Settings.AsJson(result), cancellationToken);
                }
            }

            using var logs = Settings.Logs(result);
            TorchRuntime.SetThreads(result.GetValue(threads));
            await using var data = await OfflineData.OpenAsync(options, logs, cancellationToken);
            var settings = new OfflineTrainingOptions(
                result.GetValue(epochs), result.GetValue(patience), result.GetValue(batch), result.GetValue(seed));
            var family = Pipeline.Families.First(f => f.Name == options.Training.Family);
            var training = new OfflineTraining(
                settings, Pipeline.ReadRecipe(result.GetValue(recipe) ?? options.Training.Recipe), data.Journal, data.Models, family,
                Pipeline.CodeVersion, TimeProvider.System);
            var version = await RunAsync(training, settings, data, result.GetValue(activate), cancellationToken);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { Version = version.ToString(), data.Registry.ReadManifest(version).Metrics });
            }
            else
            {
                Console.WriteLine($"Published {version}. {(result.GetValue(activate) ? "It is champion now." : $"Make it serve: streamrec models activate {version}")}");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<ModelVersion> RunAsync(
        OfflineTraining training, OfflineTrainingOptions settings, OfflineData data, bool activate, CancellationToken cancellationToken)
    {
        var statistics = await data.Journal.StatisticsAsync(cancellationToken);
        var histories = await Histories.ReadAsync(data.Journal, null, cancellationToken);
        Console.Error.WriteLine($"{histories.Arrivals.Count:N0} interactions of {histories.Users.Count:N0} users on {statistics.Items:N0} items; {TorchRuntime.Threads} threads.");
        var version = await Output.WithProgressAsync("training", settings.Epochs, "epochs", report => Task.Run(
            () => training.Run(
                histories, statistics.Position, WriteEpoch, new Progress(p => report(p.Epoch - 1 + p.Share)), cancellationToken),
            cancellationToken));
        if (activate)
        {
            data.Models.Activate(version);
        }

        return version;
    }

    private static void WriteEpoch(EpochReport epoch) => Console.Error.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"epoch {epoch.Epoch,3}  loss {epoch.Loss:F4}  validation HR@10 {epoch.Validation.HitRate(10):F4}  NDCG@10 {epoch.Validation.Ndcg(10):F4}  {epoch.Duration.TotalSeconds:F1} s{(epoch.Best ? "  best" : "")}"));

    private static async Task<int> OnServerAsync(ServerClient server, bool json, CancellationToken cancellationToken)
    {
        Console.Error.WriteLine($"A server runs on this data (process {server.Address.ProcessId}): its trainer makes a run now.");
        var report = await server.PostAsync<TrainingView>("training", cancellationToken);
        if (json)
        {
            Output.WriteJson(report);
        }
        else
        {
            Console.WriteLine($"{report.Version ?? "No checkpoint"}: {(report.Activated ? "serves now" : "does not serve")}. {report.Reason}.");
        }

        return report.Activated ? ExitCode.Success : ExitCode.Failure;
    }

    private sealed class Progress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}

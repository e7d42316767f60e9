using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Journal;
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
        var epochs = new Option<int?>("--epochs") { Description = "Passes of the recipe's last stage at the most (default: the recipe's)." };
        var patience = new Option<int?>("--patience") { Description = "Passes of the last stage without a better validation before it stops; 0 = run them all (default: the recipe's)." };
        var batch = new Option<int?>("--batch") { Description = "Histories in one step of the last stage (default: the recipe's)." };
        var restart = new Option<bool>("--restart") { Description = "Discard an interrupted run instead of going on with it." };
        var seed = new Option<int>("--seed") { Description = "Everything random follows from it.", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "Threads of one matrix operation; for models of this size more than one costs more than it brings.", DefaultValueFactory = _ => 1 };
        var activate = new Option<bool>("--activate") { Description = "Make the checkpoint champion." };
        var command = new Command("train", "Train a model on the journal and publish its checkpoint.") { recipe, epochs, patience, batch, seed, threads, restart, activate };
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
            await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
            var overrides = new StageOverride(result.GetValue(epochs), result.GetValue(patience), result.GetValue(batch));
            var json = Pipeline.ReadRecipe(result.GetValue(recipe) ?? options.Training.Recipe);
            var family = Pipeline.FamilyOf(json, options.Training);
            var state = StateOf(options, family, json, overrides, result.GetValue(seed));
            if (result.GetValue(restart) && Directory.Exists(state))
            {
                Directory.Delete(state, recursive: true);
            }

            var version = await RunAsync(data, family, json, overrides, result.GetValue(seed), state, cancellationToken);
            if (result.GetValue(activate))
            {
                data.Models.Activate(version);
            }

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

    // One directory for each way to train, so that trying another way does not cost an interrupted run.
    private static string StateOf(StreamRecOptions options, IModelFamily family, JsonElement recipe, StageOverride overrides, int seed)
    {
        var text = $"{family.Name} {overrides} {seed} {(recipe.ValueKind == JsonValueKind.Undefined ? "" : recipe.GetRawText())}";
        return Path.Combine(options.Server.DataDirectory, "training", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12]);
    }

    private static async Task<ModelVersion> RunAsync(
        OfflineData data, IModelFamily family, JsonElement recipe, StageOverride overrides, int seed, string state, CancellationToken cancellationToken)
    {
        var statistics = await data.Journal.StatisticsAsync(cancellationToken);
        var histories = await Histories.ReadAsync(data.Journal, null, cancellationToken);
        Console.Error.WriteLine($"{histories.Arrivals.Count:N0} interactions of {histories.Users.Count:N0} users on {statistics.Items:N0} items; {TorchRuntime.Threads} threads.");
        var evidence = Pipeline.CountTransitions(recipe, data.Journal.Catalogue)(histories.SplitLast(heldOut: 2, target: 2).Train);
        var context = new ModelContext(data.Journal.Catalogue, evidence);
        var training = new OfflineTraining(data.Models, family, seed, Pipeline.CodeVersion, TimeProvider.System);
        var version = await Output.WithProgressAsync("training", 1, "runs", report => Task.Run(
            () =>
            {
                var fit = new OfflineFit(family, recipe, context, seed, TimeProvider.System)
                {
                    Override = overrides,
                    StateDirectory = state,
                    Resumed = Console.Error.WriteLine,
                    Report = WriteEpoch,
                    Progress = new FitReporter(report),
                };
                return training.Run(fit, histories, statistics.Position, cancellationToken);
            },
            cancellationToken));
        Directory.Delete(state, recursive: true);
        if (!Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(state)!).Any())
        {
            Directory.Delete(Path.GetDirectoryName(state)!);
        }

        return version;
    }

    private static void WriteEpoch(EpochReport epoch) => Console.Error.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{epoch.Stage} {epoch.Epoch,3}  loss {epoch.Loss:F4}  validation HR@10 {epoch.Validation?.HitRate(10):F4}  NDCG@10 {epoch.Validation?.Ndcg(10):F4}  {epoch.Duration.TotalSeconds:F1} s  {epoch.TokensPerSecond:N0} items/s{(epoch.Best ? "  best" : "")}"));

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
}

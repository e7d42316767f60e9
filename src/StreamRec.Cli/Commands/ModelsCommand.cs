using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Journal;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec models list|show|activate|rollback|verify</c>: with a running server its models, otherwise the data at rest.</summary>
internal static class ModelsCommand
{
    public static Command Create() => new("models", "Checkpoints: list, show, activate, roll back, verify.")
    {
        List(), Show(), Activate(), Rollback(), Verify(),
    };

    private static Command List()
    {
        var command = new Command("list", "All checkpoints, and which one serves.");
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            using var server = ServerClient.Find(options.Server.DataDirectory);
            var models = server is not null
                ? await server.GetAsync<IReadOnlyList<ModelView>>("models", cancellationToken)
                : ModelViews.List(new ModelRegistry(options.ModelsDirectory, logs.CreateLogger<ModelRegistry>()), null);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(models);
                return ExitCode.Success;
            }

            Output.WriteTable(
                ["version", "alias", "serves", "created", "parent", "NDCG@10"],
                models.Select(m => (IReadOnlyList<string>)
                [
                    m.Version, m.Alias ?? "", m.Serves ? "yes" : "", m.Created.ToString("u", CultureInfo.InvariantCulture),
                    m.Parent?.ToString(CultureInfo.InvariantCulture) ?? "",
                    (m.Metrics.TryGetValue("ndcg@10", out var online) || m.Metrics.TryGetValue("validation.ndcg@10", out online))
                        ? online.ToString("F4", CultureInfo.InvariantCulture) : "",
                ]));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Show()
    {
        var model = Version();
        var command = new Command("show", "A checkpoint's manifest.") { model };
        command.SetAction(result =>
        {
            using var logs = Settings.Logs(result);
            var registry = new ModelRegistry(Settings.Read(result).ModelsDirectory, logs.CreateLogger<ModelRegistry>());
            Output.WriteJson(registry.ReadManifest(ModelRegistry.Parse(result.GetValue(model)!)) with { Golden = [] });
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Activate()
    {
        var model = Version();
        var command = new Command("activate", "Make a checkpoint serve, after every check; refused, the live model stays.") { model };
        command.SetAction((result, cancellationToken) =>
        {
            var version = ModelRegistry.Parse(result.GetValue(model)!);
            return SwapAsync(
                result, string.Create(CultureInfo.InvariantCulture, $"models/{version.Family}/{version.Version}/activate"),
                models =>
                {
                    models.Activate(version);
                    return version;
                },
                cancellationToken);
        });
        return command;
    }

    private static Command Rollback()
    {
        var command = new Command("rollback", "Return to the checkpoint that served before.");
        command.SetAction((result, cancellationToken) => SwapAsync(result, "models/rollback", models => models.Rollback(), cancellationToken));
        return command;
    }

    private static Command Verify()
    {
        var model = Version();
        var command = new Command("verify", "Every check that activation makes, without activating.") { model };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var version = ModelRegistry.Parse(result.GetValue(model)!);
            // Verification needs no journal: a catalogue of its own is enough, since golden inputs name items by id.
            var registry = new ModelRegistry(options.ModelsDirectory, logs.CreateLogger<ModelRegistry>());
            using var models = new ModelControl(registry, Server.Pipeline.Families, Server.Pipeline.ContextAtRest(options, new Catalogue()), logs.CreateLogger<ModelControl>());
            var manifest = await Task.Run(() => models.Verify(version), cancellationToken);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { Version = version.ToString(), Whole = true, Files = manifest.Files.Count, Golden = manifest.Golden.Count });
            }
            else
            {
                Console.WriteLine($"{version} is whole: {manifest.Files.Count} files, weights finite, {manifest.Golden.Count} golden inputs reproduced.");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static Argument<string> Version() => new("version") { Description = "For example recgpt@3." };

    private static async Task<int> SwapAsync(
        ParseResult result, string path, Func<ModelControl, ModelVersion> atRest, CancellationToken cancellationToken)
    {
        var options = Settings.Read(result);
        using var logs = Settings.Logs(result, LogLevel.Critical);
        using var server = ServerClient.Find(options.Server.DataDirectory);
        SwapView swap;
        if (server is not null)
        {
            swap = await server.PostAsync<SwapView>(path, cancellationToken);
        }
        else
        {
            await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
            var before = data.Models.Champion;
            swap = new SwapView(atRest(data.Models).ToString(), before?.ToString());
        }

        if (Settings.AsJson(result))
        {
            Output.WriteJson(swap);
        }
        else
        {
            Console.WriteLine($"{swap.Serving} {(server is null ? "is champion and serves at the next start" : "serves")} (before: {swap.Before ?? "none"}).");
        }

        return ExitCode.Success;
    }
}

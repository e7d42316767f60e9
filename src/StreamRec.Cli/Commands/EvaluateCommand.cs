using System.CommandLine;
using System.Globalization;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Server;
using StreamRec.Torch;
using StreamRec.Training;
using StreamRec.Training.Evaluation;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec evaluate</c>: full ranking of each user's last item, beside popularity.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var model = new Argument<string?>("model") { Description = "Version, for example recgpt@3 (default: the champion, else the newest).", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("evaluate", "Rank each user's last item against the whole catalogue (strict protocol: models of 'train' have not seen the last two).") { model };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            TorchRuntime.SetThreads(1);
            await using var data = await OfflineData.OpenAsync(options, logs, cancellationToken);
            var version = result.GetValue(model) is { } name
                ? ModelRegistry.Parse(name)
                : data.Models.Champion ?? Newest(data.Registry)
                    ?? throw new InvalidOperationException("There is no checkpoint to evaluate; make one with 'streamrec train'.");
            var split = (await Histories.ReadAsync(data.Journal, null, cancellationToken)).SplitLast(heldOut: 2, target: 1);
            var evidence = Pipeline.CountTransitions(data.Registry.ReadManifest(version).Config, data.Journal.Catalogue)(split.Train);
            using var loaded = data.Models.Load(version, evidence);
            var ours = await Output.WithProgressAsync("evaluating", split.Test.Count, "users", report => Task.Run(
                () => Evaluator.Evaluate(loaded, split.Test, new Progress(report), cancellationToken), cancellationToken));
            var popularity = Evaluator.EvaluatePopularity(split.Train, split.Test);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new
                {
                    Model = version.ToString(),
                    ours.Cases,
                    Metrics = ours.Named().ToDictionary(),
                    Popularity = popularity.Named().ToDictionary(),
                });
            }
            else
            {
                var names = ours.Named().Select(pair => pair.Key.ToUpperInvariant()).ToList();
                Output.WriteTable(["", .. names], [Row(version.ToString(), ours), Row("popularity", popularity)]);
                Console.WriteLine($"{ours.Cases:N0} users, strict protocol, full ranking, items of the history masked.");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static ModelVersion? Newest(ModelRegistry registry) => registry.List() is { Count: > 0 } versions ? versions[^1] : null;

    private static List<string> Row(string name, RankingMetrics metrics) =>
        [name, .. metrics.Named().Select(pair => pair.Value.ToString("F4", CultureInfo.InvariantCulture))];

    private sealed class Progress(Action<double> report) : IProgress<int>
    {
        public void Report(int value) => report(value);
    }
}

using System.CommandLine;
using StreamRec.Cli.Drawing;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Journal;
using StreamRec.Server;
using StreamRec.Torch;
using StreamRec.Training;
using StreamRec.Training.Evaluation;
using StreamRec.Training.Experiments;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec evaluate</c>: full ranking of each user's last item, beside the baselines; with <c>--table</c> a table of experiments.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var model = new Argument<string?>("model") { Description = "Version, for example recgpt@3 (default: the champion, else the newest).", Arity = ArgumentArity.ZeroOrOne };
        var protocol = new Option<Protocol>("--protocol") { Description = "For models of 'train', what baselines are fitted on: strict = all but the last two items, as the model; online = all but the last. Models of a server are asked for what is newer than their training." };
        var unmasked = new Option<bool>("--unmasked") { Description = "Leave items of the history in the lists: for people who come back to the same items." };
        var breakdown = new Option<bool>("--breakdown") { Description = "NDCG@10 by length of the history and by popularity of the target, too." };
        var svg = new Option<string?>("--svg") { Description = "Also draw the figures into this SVG file." };
        var command = new Command("evaluate", "Rank what a model was not trained on against the whole catalogue, beside the baselines; or run a table of experiments.")
        {
            model, protocol, unmasked, breakdown, svg,
        };
        var table = new TableOptions(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            if (table.Read(result, result.GetValue(svg)) is { } experiments)
            {
                return await TableEvaluation.RunAsync(experiments, cancellationToken);
            }

            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            TorchRuntime.SetThreads(1);
            await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
            var version = result.GetValue(model) is { } name
                ? ModelRegistry.Parse(name)
                : data.Models.Champion ?? Newest(data.Registry)
                    ?? throw new InvalidOperationException("There is no checkpoint to evaluate; make one with 'streamrec train'.");
            var masked = !result.GetValue(unmasked);
            var manifest = data.Registry.ReadManifest(version);
            var cases = JournalCases.Of(await Histories.ReadAsync(data.Journal, null, cancellationToken), [manifest], result.GetValue(protocol));
            var split = cases.Split;
            var evidence = Pipeline.CountTransitions(manifest.Config, data.Journal.Catalogue)(split.Train);
            using var loaded = data.Models.Load(version, evidence);
            var models = new List<Judged> { await Judged.OfAsync(version.ToString(), loaded, split, data.Journal.Catalogue.Count, masked, cancellationToken) };
            foreach (var baseline in Baselines.Of(split.Train, data.Journal.Catalogue))
            {
                models.Add(await Judged.OfAsync(baseline.Version.Family, baseline, split, data.Journal.Catalogue.Count, masked, cancellationToken));
            }

            var groups = result.GetValue(breakdown) ? Breakdown.Of(split.Train, split.Test) : null;
            var places = models[0].Metrics.Places;
            var conditions = $"{models[0].Metrics.Cases:N0} cases, {cases.Protocol}, full ranking, items of the history {(masked ? "masked" : "not masked")}." +
                (places < RankingMetrics.Depth ? $" {version} has two recall steps and was asked for lists of {places}." : "");
            if (Settings.AsJson(result))
            {
                WriteJson(version, models, groups, cases.Protocol, masked);
            }
            else
            {
                Judged.WriteTable(models);
                Console.WriteLine(conditions);
            }

            var charts = new List<BarChart> { Judged.Bars($"{version}: {conditions}", models) };
            if (groups is not null && models[0].Metrics.Cases > 0)
            {
                charts.AddRange(Judged.Bars(groups, [.. models.Select(m => (m.Name, m.Metrics.Ranks))]));
                if (!Settings.AsJson(result))
                {
                    TerminalChart.Write(charts[1..]);
                }
            }

            if (result.GetValue(svg) is { } file)
            {
                await File.WriteAllTextAsync(file, SvgChart.Render(charts, []), cancellationToken);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static void WriteJson(ModelVersion version, List<Judged> models, Breakdown? groups, string protocol, bool masked) => Output.WriteJson(new
    {
        Model = version.ToString(),
        models[0].Metrics.Cases,
        Protocol = protocol,
        Masked = masked,
        models[0].Metrics.Places,
        Metrics = models[0].Named,
        models[0].Intervals,
        Popularity = models[1].Named,
        Baselines = models.Skip(1).ToDictionary(m => m.Name, m => new { Metrics = m.Named, m.Intervals }),
        Breakdown = groups is null ? null : models.ToDictionary(m => m.Name, m => new
        {
            Length = Groups(groups.ByLength(m.Metrics.Ranks)),
            Popularity = Groups(groups.ByPopularity(m.Metrics.Ranks)),
        }),
    });

    private static Dictionary<string, object> Groups(IReadOnlyList<CaseGroup> groups) =>
        groups.ToDictionary(group => group.Name, group => (object)new { group.Metrics.Cases, Metrics = group.Metrics.Named().ToDictionary() });

    private static ModelVersion? Newest(ModelRegistry registry) => registry.List() is { Count: > 0 } versions ? versions[^1] : null;
}

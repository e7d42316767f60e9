using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using StreamRec.Cli.Drawing;
using StreamRec.Domain;
using StreamRec.Models.Transitions;
using StreamRec.Server;
using StreamRec.Torch;
using StreamRec.Training.Evaluation;
using StreamRec.Training.Experiments;

namespace StreamRec.Cli.Commands;

/// <summary>What <c>evaluate --table</c> was asked for.</summary>
/// <param name="Path">The table's file.</param>
/// <param name="Folders">Where data files are looked for, in this order.</param>
/// <param name="Sets">Data sets; none = all of the table.</param>
/// <param name="Seeds">Seeds of each row.</param>
/// <param name="Results">Results directory.</param>
/// <param name="Json">Whether to write JSON.</param>
/// <param name="Markdown">Whether to write Markdown.</param>
/// <param name="Svg">File to draw into, or null.</param>
internal sealed record TableRequest(
    string Path, IReadOnlyList<string> Folders, IReadOnlyList<string> Sets, IReadOnlyList<int> Seeds, string Results, bool Json, bool Markdown, string? Svg);

/// <summary>The options of <c>evaluate --table</c>.</summary>
internal sealed class TableOptions
{
    /// <summary>Names a folder with research data.</summary>
    private const string DataVariable = "STREAMREC_DATA";

    private readonly Option<string?> _table = new("--table") { Description = "Run the experiments of a table, recgpt, best or a file, and print ours beside published; what is done is not repeated." };
    private readonly Option<string?> _sets = new("--sets") { Description = "Data sets of the table, for example Beauty,Toys (default: all)." };
    private readonly Option<string> _seeds = new("--seeds") { Description = "Seeds of each row.", DefaultValueFactory = _ => "1,2,3" };
    private readonly Option<string?> _results = new("--results") { Description = "Results directory; several processes may work on it at once (default: <data>/results)." };
    private readonly Option<bool> _markdown = new("--markdown") { Description = "The table as Markdown." };

    public TableOptions(Command command)
    {
        command.Add(_table);
        command.Add(_sets);
        command.Add(_seeds);
        command.Add(_results);
        command.Add(_markdown);
    }

    /// <summary>The request; null without <c>--table</c>.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="svg">File to draw into, or null.</param>
    /// <exception cref="ArgumentException">A seed is not a number.</exception>
    public TableRequest? Read(ParseResult result, string? svg)
    {
        if (result.GetValue(_table) is not { } table)
        {
            return null;
        }

        var directory = Settings.Read(result).Server.DataDirectory;
        return new TableRequest(
            File.Exists(table) ? table : Path.Combine("config", "tables", table + ".json"),
            [.. new[] { Environment.GetEnvironmentVariable(DataVariable), directory }.Where(folder => !string.IsNullOrEmpty(folder)).OfType<string>()],
            List(result.GetValue(_sets)),
            [.. List(result.GetValue(_seeds)).Select(seed => int.TryParse(seed, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw new ArgumentException($"--seeds has '{seed}'; write whole numbers, for example 1,2,3."))],
            result.GetValue(_results) ?? Path.Combine(directory, "results"),
            Settings.AsJson(result),
            result.GetValue(_markdown),
            svg);
    }

    private static string[] List(string? text) =>
        (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}

/// <summary><c>streamrec evaluate --table</c>: runs what is missing, then prints ours beside published.</summary>
internal static class TableEvaluation
{
    /// <summary>How often to look whether another process has ended a run.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(TableRequest request, CancellationToken cancellationToken)
    {
        TorchRuntime.SetThreads(1);
        var table = ResultTable.Read(request.Path);
        var unknown = request.Sets.Except(table.Parts.SelectMany(part => part.Sets).Select(set => set.Name)).ToList();
        if (unknown.Count > 0 || request.Seeds.Count == 0)
        {
            throw new ArgumentException(unknown.Count > 0
                ? $"The table has no data set '{unknown[0]}'; it has {string.Join(", ", table.Parts.SelectMany(part => part.Sets).Select(set => set.Name).Distinct())}."
                : "--seeds is empty; write whole numbers, for example 1,2,3.");
        }

        table = table with
        {
            Parts = [.. table.Parts.Select(part => part with
            {
                Sets = [.. part.Sets.Where(set => request.Sets.Count == 0 || request.Sets.Contains(set.Name))],
            })],
        };

        // Everything that can be wrong is found before the first hour of training, not after it.
        var files = table.Parts.SelectMany(part => part.Sets).Select(set => set.File).Distinct().ToDictionary(file => file, file => FindData(file, request.Folders));
        var data = files.ToDictionary(pair => pair.Key, pair => ExperimentData.Read(pair.Value));
        var rows = table.Parts
            .SelectMany(part => part.Sets)
            .SelectMany(set => set.Rows, (set, row) => (Row: row, Experiments: request.Seeds.Select(seed => Of(request.Path, data[set.File], row, seed)).ToList()))
            .ToList();
        var results = new ResultStore(request.Results);
        var done = await RunAsync(results, [.. rows.SelectMany(row => row.Experiments)], cancellationToken);
        // The same row may stand under two data sets: it is told apart by being another object.
        var outcomes = rows.ToDictionary(
            row => row.Row,
            row => new TableOutcome(row.Row, [.. row.Experiments.Select(e => done[e.Key])]),
            (IEqualityComparer<TableRow>)ReferenceEqualityComparer.Instance);
        var baselines = data.ToDictionary(pair => pair.Key, pair => JudgeBaselines(pair.Value));
        var report = new TableReport(table, outcomes, baselines, request);
        report.Write();
        if (request.Svg is not null)
        {
            await File.WriteAllTextAsync(request.Svg, SvgChart.Render(report.Bars(), []), cancellationToken);
        }

        return ExitCode.Success;
    }

    /// <summary>Where a data file is.</summary>
    /// <exception cref="FileNotFoundException">In none of the folders; the message says which were looked in and what to set.</exception>
    internal static string FindData(string file, IReadOnlyList<string> folders) =>
        folders.Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists) ?? throw new FileNotFoundException(
            $"{file} is in none of {string.Join(", ", folders.Select(Path.GetFullPath))}; put it there, or name its folder with STREAMREC_DATA or --data.");

    private static Experiment Of(string table, ExperimentData data, TableRow row, int seed)
    {
        var family = Pipeline.Families.FirstOrDefault(f => f.Name == row.Family) ?? throw new ArgumentException(
            $"The row '{row.Name}' has the family '{row.Family}'; it must be one of {string.Join(", ", Pipeline.Families.Select(f => f.Name))}.");
        var file = Path.Combine(Path.GetDirectoryName(table) ?? "", row.Recipe);
        var name = Path.GetFileNameWithoutExtension(file) + string.Concat(row.Set.Select(pair => $"+{pair.Key.Split('.')[^1]}={pair.Value}"));
        return new Experiment(data, family, FileName(name), row.Apply(Pipeline.ReadRecipe(file)), row.Protocol, seed);
    }

    private static string FileName(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '+' or '=' or '.' ? c : '_'));

    /// <summary>All results by key, each experiment once, strict ones first.</summary>
    private static async Task<Dictionary<string, ExperimentResult>> RunAsync(
        ResultStore results, IReadOnlyList<Experiment> experiments, CancellationToken cancellationToken)
    {
        var open = experiments.Concat(experiments.Select(experiment => experiment.Strict))
            .OrderBy(experiment => experiment.Protocol).DistinctBy(experiment => experiment.Key).ToList();
        var done = new Dictionary<string, ExperimentResult>();
        var all = open.Count;
        while (open.Count > 0)
        {
            var left = open.Count;
            foreach (var experiment in open.ToList())
            {
                if (experiment.Protocol == Protocol.Online && results.Find(experiment.Strict) is null)
                {
                    continue;
                }

                var title = $"run {done.Count + 1} of {all}, {experiment.Key}";
                var known = results.Find(experiment) is not null;
                var result = await Output.WithProgressAsync(title, 1, "runs", report => Task.Run(
                    () => new ExperimentRunner(results, Evidence, Pipeline.CodeVersion, TimeProvider.System)
                    {
                        Told = Console.Error.WriteLine,
                        Progress = new FitReporter(report),
                    }.Run(experiment, cancellationToken),
                    cancellationToken));
                if (result is not null)
                {
                    open.Remove(experiment);
                    done[experiment.Key] = result;
                    var chosen = result.Find(null, RecallSteps.Chosen, masked: true);
                    Console.Error.WriteLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"{experiment.Key}: HR@10 {chosen.Metrics["hr@10"]:F4}, NDCG@10 {chosen.Metrics["ndcg@10"]:F4}, {(known ? "known already" : $"{result.Seconds:N0} s")}"));
                }
            }

            if (open.Count == left)
            {
                // Other processes have all that is left.
                await Task.Delay(LookAgain, cancellationToken);
            }
        }

        return done;
    }

    // Transitions count for themselves: counts that are given could not be tuned.
    private static IEvidence Evidence(Experiment experiment, JsonElement recipe, IReadOnlyList<UserHistory> train) =>
        experiment.Family is TransitionsFamily ? NoEvidence.Instance : Pipeline.CountTransitions(recipe, experiment.Data.Catalogue)(train);

    private static List<(Protocol Protocol, string Name, RankingMetrics Metrics)> JudgeBaselines(ExperimentData data)
    {
        var judged = new List<(Protocol, string, RankingMetrics)>();
        foreach (var protocol in Enum.GetValues<Protocol>())
        {
            var split = data.Histories.SplitLast(protocol == Protocol.Strict ? 2 : 1, 1);
            foreach (var baseline in Baselines.Of(split.Train, data.Catalogue))
            {
                judged.Add((protocol, baseline.Version.Family, Evaluator.Evaluate(baseline, split.Test, null, CancellationToken.None)));
            }
        }

        return judged;
    }
}

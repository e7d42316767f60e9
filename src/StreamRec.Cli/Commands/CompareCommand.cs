using System.CommandLine;
using System.Globalization;
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

/// <summary><c>streamrec compare A B</c>: two models on the same cases, with a test that says when there is no difference.</summary>
internal static class CompareCommand
{
    private static readonly RankingFigure[] Figures = [RankingFigure.Ndcg10, RankingFigure.Hit10];

    public static Command Create()
    {
        var a = new Argument<string>("A") { Description = "Version, for example recgpt@3, or an experiment's result file; FILE#one, FILE#two, FILE#unmasked, FILE#stage1 choose how it was asked." };
        var b = new Argument<string>("B") { Description = "As A." };
        var svg = new Option<string?>("--svg") { Description = "Also draw where they differ into this SVG file." };
        var command = new Command("compare", "Compare two models on the same users: paired bootstrap and randomisation test.") { a, b, svg };
        command.SetAction(async (result, cancellationToken) =>
        {
            string[] names = [result.GetValue(a)!, result.GetValue(b)!];
            var files = names.Count(name => File.Exists(name.Split('#')[0]));
            var (ranks, breakdown, curves) = files switch
            {
                2 => OfResults(names),
                0 => await OfVersionsAsync(result, names, cancellationToken),
                _ => throw new ArgumentException("One of the two is a result file and the other is not; only models on the same users can be compared."),
            };
            names = [.. names.Select(Short)];
            var comparison = Comparison.Of(ranks[0], ranks[1], Figures);
            var charts = Judged.Bars(breakdown, [(names[0], ranks[0]), (names[1], ranks[1])]);
            if (result.GetValue(svg) is { } file)
            {
                await File.WriteAllTextAsync(file, SvgChart.Render(charts, curves), cancellationToken);
            }

            if (Settings.AsJson(result))
            {
                WriteJson(names, ranks, breakdown, comparison);
                return ExitCode.Success;
            }

            Write(names, comparison);
            TerminalChart.Write(charts, curves);
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>What a figure's test says, in words.</summary>
    internal static string Verdict(string a, string b, FigureComparison figure) => figure.Significant
        ? $"{(figure.Difference > 0 ? a : b)} is better in {figure.Figure.Name.ToUpperInvariant()}."
        : $"No difference can be shown in {figure.Figure.Name.ToUpperInvariant()}.";

    /// <summary>Reads <c>FILE#one#unmasked</c>.</summary>
    internal static (ExperimentResult Result, ResultVariant Variant) ReadVariant(string name)
    {
        var parts = name.Split('#');
        var (stage, steps, masked) = ((int?)null, RecallSteps.Chosen, true);
        foreach (var part in parts.Skip(1))
        {
            if (part.StartsWith("stage", StringComparison.Ordinal) && int.TryParse(part[5..], CultureInfo.InvariantCulture, out var number))
            {
                stage = number;
            }
            else if (part == "unmasked")
            {
                masked = false;
            }
            else if (part is "one" or "two")
            {
                steps = part == "one" ? RecallSteps.One : RecallSteps.Two;
            }
            else
            {
                throw new ArgumentException($"'{part}' in '{name}' is not a way to ask a model; it must be one, two, unmasked or stage with a number.");
            }
        }

        var result = ExperimentResult.Read(parts[0]);
        return (result, result.Find(stage, steps, masked));
    }

    // A result file by what tells it from others: neither its folder nor its ending.
    private static string Short(string name) => name.Split('#') is var parts && parts[0].EndsWith(".json", StringComparison.Ordinal)
        ? string.Join('#', [Path.GetFileNameWithoutExtension(parts[0]), .. parts.Skip(1)])
        : name;

    private static (IReadOnlyList<byte>[] Ranks, Breakdown Breakdown, IReadOnlyList<LineChart> Curves) OfResults(string[] names)
    {
        var (a, b) = (ReadVariant(names[0]), ReadVariant(names[1]));
        if (a.Result.Protocol != b.Result.Protocol)
        {
            throw new ArgumentException(
                $"{names[0]} is of the {a.Result.Protocol.ToString().ToLowerInvariant()} protocol and {names[1]} of the {b.Result.Protocol.ToString().ToLowerInvariant()}: "
                + "one was fitted on more than the other; only the same protocol can be compared.");
        }

        return a.Result.DataHash == b.Result.DataHash
            ? ([a.Variant.Ranks, b.Variant.Ranks], a.Result.Cases, Curves(names, [a.Result, b.Result]))
            : throw new ArgumentException($"{names[0]} was tested on {a.Result.Data} and {names[1]} on {b.Result.Data}, or on another version of it; only the same data can be compared.");
    }

    private static async Task<(IReadOnlyList<byte>[] Ranks, Breakdown Breakdown, IReadOnlyList<LineChart> Curves)> OfVersionsAsync(
        ParseResult result, string[] names, CancellationToken cancellationToken)
    {
        var options = Settings.Read(result);
        using var logs = Settings.Logs(result);
        TorchRuntime.SetThreads(1);
        await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
        ModelVersion[] versions = [.. names.Select(ModelRegistry.Parse)];
        var cases = JournalCases.Of(
            await Histories.ReadAsync(data.Journal, null, cancellationToken), [.. versions.Select(data.Registry.ReadManifest)], Protocol.Strict);
        Console.Error.WriteLine($"{cases.Split.Test.Count:N0} cases, {cases.Protocol}.");
        var split = cases.Split;
        var ranks = new List<IReadOnlyList<byte>>();
        foreach (var (name, version) in names.Zip(versions))
        {
            var evidence = Pipeline.CountTransitions(data.Registry.ReadManifest(version).Config, data.Journal.Catalogue)(split.Train);
            using var model = data.Models.Load(version, evidence);
            ranks.Add((await Judged.OfAsync(name, model, split, data.Journal.Catalogue.Count, masked: true, cancellationToken)).Metrics.Ranks);
        }

        return ([.. ranks], Breakdown.Of(split.Train, split.Test), []);
    }

    /// <summary>How validation rose in training; nothing where an online run has no validation.</summary>
    private static IReadOnlyList<LineChart> Curves(string[] names, ExperimentResult[] results)
    {
        var curves = names.Zip(results, (name, result) => new Curve(
            Short(name), [.. result.Curve.Index().Where(point => point.Item.Ndcg is not null).Select(point => (point.Index + 1.0, point.Item.Ndcg!.Value))])).ToList();
        return curves.All(curve => curve.Points.Count > 0) ? [new LineChart("Training", "passes over the data", "validation NDCG@10", curves)] : [];
    }

    private static void Write(string[] names, Comparison comparison)
    {
        Output.WriteTable(
            ["", names[0], names[1], "difference", "95 %", "p", "p (Holm)"],
            comparison.Figures.Select(figure => (IReadOnlyList<string>)
            [
                figure.Figure.Name.ToUpperInvariant(), Text(figure.A), Text(figure.B), Signed(figure.Difference),
                $"[{Signed(figure.Interval.Low)}, {Signed(figure.Interval.High)}]", Text(figure.P), Text(figure.AdjustedP),
            ]));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{comparison.Wins + comparison.Losses + comparison.Ties:N0} users: {comparison.Wins:N0} ranked higher by {names[0]}, {comparison.Losses:N0} by {names[1]}, {comparison.Ties:N0} the same by both."));
        foreach (var figure in comparison.Figures)
        {
            Console.WriteLine(Verdict(names[0], names[1], figure));
        }
    }

    private static void WriteJson(string[] names, IReadOnlyList<byte>[] ranks, Breakdown breakdown, Comparison comparison) => Output.WriteJson(new
    {
        A = names[0],
        B = names[1],
        comparison.Wins,
        comparison.Losses,
        comparison.Ties,
        Figures = comparison.Figures.ToDictionary(
            figure => figure.Figure.Name,
            figure => new { figure.A, figure.B, figure.Difference, figure.Interval, figure.P, figure.AdjustedP, figure.Significant }),
        Breakdown = new
        {
            Length = Groups(ranks, breakdown.ByLength),
            Popularity = Groups(ranks, breakdown.ByPopularity),
        },
    });

    private static Dictionary<string, object> Groups(IReadOnlyList<byte>[] ranks, Func<IReadOnlyList<byte>, IReadOnlyList<CaseGroup>> split) =>
        split(ranks[0]).Zip(split(ranks[1])).ToDictionary(
            pair => pair.First.Name,
            pair => (object)new { pair.First.Metrics.Cases, A = pair.First.Metrics.Ndcg(10), B = pair.Second.Metrics.Ndcg(10) });

    private static string Text(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    private static string Signed(double value) => value.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture);
}

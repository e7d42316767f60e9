using System.Globalization;
using StreamRec.Cli.Drawing;
using StreamRec.Training.Evaluation;
using StreamRec.Training.Experiments;

namespace StreamRec.Cli.Commands;

/// <summary>A finished table: ours beside published, for people, for machines or as Markdown.</summary>
/// <param name="table">The table.</param>
/// <param name="outcomes">What each row came to, by the row itself.</param>
/// <param name="baselines">By data file.</param>
/// <param name="request">What was asked for.</param>
internal sealed class TableReport(
    ResultTable table,
    IReadOnlyDictionary<TableRow, TableOutcome> outcomes,
    IReadOnlyDictionary<string, List<(Protocol Protocol, string Name, RankingMetrics Metrics)>> baselines,
    TableRequest request)
{
    private string[] Columns =>
        ["", "protocol", .. table.Figures.Select(figure => figure.ToUpperInvariant()), "goal", "seconds"];

    public void Write()
    {
        if (request.Json)
        {
            WriteJson();
            return;
        }

        foreach (var part in table.Parts)
        {
            foreach (var set in part.Sets)
            {
                var title = $"{table.Title}, {part.Name}, {set.Name}";
                if (request.Markdown)
                {
                    Console.WriteLine($"### {title}\n");
                    WriteMarkdown([Columns, [.. Columns.Select((_, i) => i == 0 ? "---" : "---:")], .. Rows(set)]);
                    Console.WriteLine();
                    Console.WriteLine(string.Join("\n", Notes(part, set)) + "\n");
                }
                else
                {
                    Console.WriteLine(title);
                    Output.WriteTable(Columns, Rows(set));
                    Console.WriteLine(string.Join(Environment.NewLine, Notes(part, set)));
                }
            }
        }
    }

    /// <summary>NDCG@10 of each row beside what was published, with one standard deviation over seeds.</summary>
    public IReadOnlyList<BarChart> Bars()
    {
        var figure = RankingFigure.Ndcg10.Name;
        return [.. table.Parts.SelectMany(part => part.Sets, (part, set) => new BarChart(
            $"{table.Title}, {part.Name}, {set.Name}",
            "NDCG@10, mean ± standard deviation",
            [.. set.Rows.Select(row => $"{row.Name} {Name(row.Protocol, row.Masked)}")],
            [
                new BarSeries("ours", [.. set.Rows.Select(row => OurBar(outcomes[row], figure))]),
                new BarSeries("published", [.. set.Rows.Select(row => new Bar(row.Published.GetValueOrDefault(figure)))]),
            ]))];
    }

    private static Bar OurBar(TableOutcome outcome, string figure)
    {
        var (mean, deviation) = (outcome.Mean(figure), outcome.Deviation(figure));
        return new Bar(mean, outcome.Results.Count > 1 ? new Interval(mean - deviation, mean + deviation) : null);
    }

    private IEnumerable<string[]> Rows(TableSet set)
    {
        var protocols = set.Rows.Select(row => row.Protocol).Distinct().ToList();
        foreach (var (protocol, name, metrics) in baselines[set.File].Where(baseline => protocols.Contains(baseline.Protocol)))
        {
            yield return [name, Name(protocol, masked: true), .. table.Figures.Select(figure => Text(metrics.Value(RankingFigure.Parse(figure)))), "", ""];
        }

        foreach (var row in set.Rows)
        {
            var outcome = outcomes[row];
            yield return
            [
                row.Name, Name(row.Protocol, row.Masked), .. table.Figures.Select(figure => Cell(outcome, figure)),
                Goal(outcome), outcome.Seconds.ToString("N0", CultureInfo.InvariantCulture),
            ];
        }
    }

    /// <summary>Mean and deviation of ours, then what was published and how far ours is from it.</summary>
    private static string Cell(TableOutcome outcome, string figure)
    {
        var (mean, deviation) = (outcome.Mean(figure), outcome.Deviation(figure));
        var ours = outcome.Results.Count > 1 ? $"{Text(mean)} ± {Text(deviation)}" : Text(mean);
        return outcome.Row.Published.TryGetValue(figure, out var published)
            ? string.Create(CultureInfo.InvariantCulture, $"{ours} ({Text(published)}, {(mean - published) / published:+0.0 %;-0.0 %;0.0 %})")
            : ours;
    }

    private static string Goal(TableOutcome outcome) => outcome.Passed is { } passed
        ? $"{string.Join(", ", outcome.Row.Goal.Select(goal => $"{goal.Key.ToUpperInvariant()} {Text(goal.Value)}"))}: {(passed ? "pass" : "miss")}"
        : "";

    private IEnumerable<string> Notes(TablePart part, TableSet set)
    {
        var rows = set.Rows.Select(row => outcomes[row]).ToList();
        yield return "Ours: mean ± standard deviation over seeds; in brackets what was published and how far ours is from it.";
        if (part.Ordered)
        {
            yield return "Order of the rows as published: " +
                string.Join(", ", table.Figures.Select(figure => $"{figure.ToUpperInvariant()} {(TableOutcome.SameOrder(rows, figure) ? "yes" : "no")}")) + ".";
        }

        var all = rows.SelectMany(row => row.Results).ToList();
        yield return $"Seeds {string.Join(", ", request.Seeds)}; {string.Join(" / ", all.Select(result => result.Machine).Distinct())}; " +
            $"version {string.Join(" / ", all.Select(result => result.CodeVersion).Distinct())}; one thread a run.";
        yield return $"Command: `streamrec evaluate --table {Path.GetFileNameWithoutExtension(request.Path)} --sets {set.Name} --seeds {string.Join(',', request.Seeds)}`";
    }

    private void WriteJson() => Output.WriteJson(new
    {
        table.Title,
        request.Seeds,
        Parts = table.Parts.Select(part => new
        {
            part.Name,
            Sets = part.Sets.Select(set => new
            {
                set.Name,
                Ordered = part.Ordered
                    ? table.Figures.ToDictionary(figure => figure, figure => TableOutcome.SameOrder([.. set.Rows.Select(row => outcomes[row])], figure))
                    : null,
                Baselines = baselines[set.File].Select(baseline => new { Protocol = baseline.Protocol.ToString(), baseline.Name, Metrics = baseline.Metrics.Named().ToDictionary() }),
                Rows = set.Rows.Select(row => new
                {
                    row.Name,
                    row.Recipe,
                    Protocol = row.Protocol.ToString(),
                    row.Masked,
                    Mean = table.Figures.ToDictionary(figure => figure, outcomes[row].Mean),
                    Deviation = table.Figures.ToDictionary(figure => figure, outcomes[row].Deviation),
                    row.Published,
                    row.Goal,
                    outcomes[row].Passed,
                    outcomes[row].Seconds,
                }),
            }),
        }),
    });

    private static void WriteMarkdown(IEnumerable<string[]> rows)
    {
        foreach (var row in rows)
        {
            Console.WriteLine($"| {string.Join(" | ", row.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))} |");
        }
    }

    private static string Name(Protocol protocol, bool masked) => $"{(protocol == Protocol.Strict ? "strict" : "online")}{(masked ? "" : ", unmasked")}";

    private static string Text(double value) => value.ToString("F4", CultureInfo.InvariantCulture);
}

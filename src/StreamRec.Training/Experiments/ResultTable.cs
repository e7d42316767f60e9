using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training.Experiments;

/// <summary>One row of a table: a recipe, how its training is tested, and what it is held against.</summary>
public sealed record TableRow
{
    /// <summary>As people see it.</summary>
    public required string Name { get; init; }

    /// <summary>Recipe file, relative to the table's.</summary>
    public required string Recipe { get; init; }

    /// <summary>The recipe's family.</summary>
    public string Family { get; init; } = "recgpt";

    /// <summary>Recipe values that this row changes, by path: <c>stages.1.prompts.mode</c>.</summary>
    public IReadOnlyDictionary<string, JsonElement> Set { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>What is fitted.</summary>
    public Protocol Protocol { get; init; }

    /// <summary>Stage after which the model is tested, from 1; null = the last.</summary>
    public int? Stage { get; init; }

    /// <summary>Recall steps.</summary>
    public RecallSteps Steps { get; init; }

    /// <summary>Whether items of the history are left out.</summary>
    public bool Masked { get; init; } = true;

    /// <summary>What was published, by figure: <c>hr@10</c>.</summary>
    public IReadOnlyDictionary<string, double> Published { get; init; } = new Dictionary<string, double>();

    /// <summary>What the mean over seeds has to reach, by figure.</summary>
    public IReadOnlyDictionary<string, double> Goal { get; init; } = new Dictionary<string, double>();

    /// <summary>The recipe with this row's changes.</summary>
    /// <param name="recipe">Content of <see cref="Recipe"/>.</param>
    /// <exception cref="ArgumentException">A path leads nowhere.</exception>
    public JsonElement Apply(JsonElement recipe)
    {
        if (Set.Count == 0)
        {
            return recipe;
        }

        // Written anew, because the raw text still has its file's comments.
        var root = JsonNode.Parse(JsonSerializer.Serialize(recipe))!;
        foreach (var (path, value) in Set)
        {
            var steps = path.Split('.');
            var node = root;
            foreach (var step in steps[..^1])
            {
                node = (node is JsonArray array ? (int.TryParse(step, out var i) && i >= 0 && i < array.Count ? array[i] : null) : node[step])
                    ?? throw new ArgumentException($"The row '{Name}' sets {path}, but its recipe has no '{step}' there.");
            }

            node[steps[^1]] = JsonNode.Parse(JsonSerializer.Serialize(value));
        }

        return JsonSerializer.SerializeToElement(root);
    }
}

/// <summary>The rows on one data set.</summary>
/// <param name="Name">As people see it and <c>--sets</c> names it.</param>
/// <param name="File">Name of the data file.</param>
/// <param name="Rows">Rows in the order in which they are printed.</param>
public sealed record TableSet(string Name, string File, IReadOnlyList<TableRow> Rows);

/// <summary>Rows that belong together.</summary>
/// <param name="Name">For example <c>Table 2</c>.</param>
/// <param name="Sets">By data set.</param>
/// <param name="Ordered">Whether the order of the rows by each figure is what is to be reproduced.</param>
public sealed record TablePart(string Name, IReadOnlyList<TableSet> Sets, bool Ordered = false);

/// <summary>A table of results: <c>config/tables/*.json</c>.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Figures">Its columns.</param>
/// <param name="Parts">Its parts.</param>
public sealed record ResultTable(string Title, IReadOnlyList<string> Figures, IReadOnlyList<TablePart> Parts)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    /// <summary>Reads a table file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a table, or names a figure that does not exist.</exception>
    public static ResultTable Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"There is no table '{path}'; tables stand in config/tables.", path);
        }

        try
        {
            var table = JsonSerializer.Deserialize<ResultTable>(File.ReadAllText(path), Json) ?? throw new InvalidDataException($"'{path}' is empty.");
            foreach (var row in table.Parts.SelectMany(part => part.Sets).SelectMany(set => set.Rows))
            {
                _ = row.Published.Keys.Concat(row.Goal.Keys).Concat(table.Figures).Select(RankingFigure.Parse).ToList();
            }

            return table;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"'{path}' is not a table: {exception.Message}", exception);
        }
    }
}

/// <summary>A row with what came out: means and standard deviations over seeds.</summary>
/// <param name="Row">The row.</param>
/// <param name="Results">One result for each seed.</param>
public sealed record TableOutcome(TableRow Row, IReadOnlyList<ExperimentResult> Results)
{
    /// <summary>Mean over seeds.</summary>
    public double Mean(string figure) => Values(figure).Average();

    /// <summary>Standard deviation over seeds, of a sample; 0 for one seed.</summary>
    public double Deviation(string figure)
    {
        var (values, mean) = (Values(figure), Mean(figure));
        return values.Length < 2 ? 0 : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1));
    }

    /// <summary>Mean seconds of a training with all its tests.</summary>
    public double Seconds => Results.Average(result => result.Seconds);

    /// <summary>Whether every goal is reached by the mean; null without goals.</summary>
    public bool? Passed => Row.Goal.Count == 0 ? null : Row.Goal.All(goal => Mean(goal.Key) >= goal.Value);

    /// <summary>Whether the rows stand in the published order by a figure, rows published as equal in any.</summary>
    public static bool SameOrder(IReadOnlyList<TableOutcome> rows, string figure)
    {
        var known = rows.Where(row => row.Row.Published.ContainsKey(figure)).ToList();
        return known.All(a => known.All(b => a.Row.Published[figure] <= b.Row.Published[figure] || a.Mean(figure) > b.Mean(figure)));
    }

    private double[] Values(string figure)
    {
        var parsed = RankingFigure.Parse(figure);
        return [.. Results.Select(result => RankingMetrics.Of(result.Find(Row.Stage, Row.Steps, Row.Masked).Ranks).Value(parsed))];
    }
}

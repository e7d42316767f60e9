using System.Text.Json;
using System.Text.Json.Serialization;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training.Experiments;

/// <summary>One pass of the training curve.</summary>
/// <param name="Stage">The stage's name.</param>
/// <param name="Epoch">From 1 within the stage.</param>
/// <param name="Loss">Mean training loss.</param>
/// <param name="Ndcg">Validation NDCG@10; null where nothing is validated.</param>
/// <param name="Elapsed">Seconds since the beginning, what a killed run had done since its last pass not counted.</param>
public sealed record CurvePoint(string Stage, int Epoch, double Loss, double? Ndcg, double Elapsed);

/// <summary>The test of one way to ask the trained model.</summary>
public sealed record ResultVariant
{
    /// <summary>Stage after which it was asked, from 1.</summary>
    public required int Stage { get; init; }

    /// <summary>Items of a list of 10 from the second recall step; 0 = one step.</summary>
    public required int SecondStep { get; init; }

    /// <summary>Whether validation (or the recipe) chose this <see cref="SecondStep"/>: what a server would do.</summary>
    public required bool Chosen { get; init; }

    /// <summary>Whether items of the history were left out.</summary>
    public required bool Masked { get; init; }

    /// <summary>Figures by name; they follow from the ranks and stand here for people.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>Each case's rank, 0 = not found; one byte a case.</summary>
    public required byte[] Ranks { get; init; }
}

/// <summary>What an experiment came to: one JSON file.</summary>
public sealed record ExperimentResult
{
    /// <summary>How results are written.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public required string Data { get; init; }

    public required string DataHash { get; init; }

    public required string Family { get; init; }

    public required string Recipe { get; init; }

    public required string RecipeHash { get; init; }

    public required Protocol Protocol { get; init; }

    public required int Seed { get; init; }

    /// <summary>From the first step to the last test.</summary>
    public required double Seconds { get; init; }

    /// <summary>Processor and cores.</summary>
    public required string Machine { get; init; }

    public required string CodeVersion { get; init; }

    public required DateTimeOffset Date { get; init; }

    /// <summary>The recipe with all that was chosen on validation: what the online run fits, together with <see cref="Epochs"/>.</summary>
    public required JsonElement Calibrated { get; init; }

    /// <summary>For each stage the pass that its weights come from.</summary>
    public required IReadOnlyList<int> Epochs { get; init; }

    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    /// <summary>At least the last stage's, as chosen and masked.</summary>
    public required IReadOnlyList<ResultVariant> Variants { get; init; }

    /// <summary>The cases' groups.</summary>
    public required Breakdown Cases { get; init; }

    /// <summary>Stages trained.</summary>
    [JsonIgnore]
    public int Stages => Epochs.Count;

    /// <summary>Reads a result file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a result.</exception>
    public static ExperimentResult Read(string path)
    {
        try
        {
            var result = JsonSerializer.Deserialize<ExperimentResult>(File.ReadAllText(path), Json) ?? throw new InvalidDataException($"'{path}' is empty.");
            var cases = result.Cases.Lengths.Length;
            return result.Cases.Popularities.Length == cases
                && result.Variants.All(variant => variant.Ranks.Length == cases && variant.Ranks.All(rank => rank <= RankingMetrics.Depth))
                    ? result
                    : throw new InvalidDataException($"'{path}' is damaged: its ranks are not one for each of {cases} cases, or above {RankingMetrics.Depth}.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"'{path}' is not the result of an experiment: {exception.Message}", exception);
        }
    }

    /// <summary>One way to ask.</summary>
    /// <param name="stage">After which stage, from 1; null = the last.</param>
    /// <param name="steps">Recall steps.</param>
    /// <param name="masked">Whether items of the history are left out.</param>
    /// <exception cref="InvalidDataException">It was not tested.</exception>
    public ResultVariant Find(int? stage, RecallSteps steps, bool masked) =>
        Variants.FirstOrDefault(variant => variant.Stage == (stage ?? Stages) && variant.Masked == masked && steps switch
        {
            RecallSteps.One => variant.SecondStep == 0,
            RecallSteps.Two => variant.SecondStep > 0,
            _ => variant.Chosen,
        }) ?? throw new InvalidDataException(
            $"{Data} {Recipe} seed {Seed} was not tested after stage {stage ?? Stages} with recall steps '{steps.ToString().ToLowerInvariant()}' {(masked ? "masked" : "unmasked; no target of this data repeats")}.");
}

/// <summary>Recall steps of a variant.</summary>
public enum RecallSteps
{
    /// <summary>As many as validation chose.</summary>
    Chosen,

    /// <summary>One, whatever validation chose.</summary>
    One,

    /// <summary>Two; with the fewest items from the second where validation chose none.</summary>
    Two,
}

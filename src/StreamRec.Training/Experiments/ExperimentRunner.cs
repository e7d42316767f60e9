using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training.Experiments;

/// <summary>Counts what the stream says of the next item.</summary>
/// <param name="experiment">The experiment.</param>
/// <param name="recipe">What is fitted: the experiment's recipe, or what a strict run made of it.</param>
/// <param name="train">The training part and never what is held out.</param>
public delegate IEvidence EvidenceCounter(Experiment experiment, JsonElement recipe, IReadOnlyList<UserHistory> train);

/// <summary>Trains and tests, once for each experiment: what is done is not repeated, what was killed goes on.</summary>
/// <remarks>
/// One training serves every row that asks the same weights differently: after each stage the model is tested with one recall step and with
/// two, and, where targets repeat, unmasked too. After a stage that is not the last the second step has as many items as the recipe says,
/// or the fewest, because a choice there would change how the next stage is validated.
/// The online protocol has nothing left to validate on: it trains each stage for the number of passes whose weights the strict run of the
/// same seed kept, with the weights that were calibrated there, on all but the last item, with evidence counted on the same. So strict runs first.
/// </remarks>
public sealed class ExperimentRunner(ResultStore results, EvidenceCounter evidence, string codeVersion, TimeProvider time)
{
    private const string CurveFile = "curve.json";

    /// <summary>Told in words what is going on.</summary>
    public Action<string>? Told { get; init; }

    /// <summary>Told after each step.</summary>
    public IProgress<FitProgress>? Progress { get; init; }

    /// <summary>The result: read, or computed now; null while another process computes it.</summary>
    /// <exception cref="InvalidOperationException">An online experiment's strict one has not been run.</exception>
    public ExperimentResult? Run(Experiment experiment, CancellationToken cancellationToken)
    {
        if (results.Find(experiment) is { } known)
        {
            return known;
        }

        using var claim = results.TryClaim(experiment);
        // Between the look and the claim another process may have ended it.
        return claim is null ? null : results.Find(experiment) ?? Compute(experiment, cancellationToken);
    }

    private ExperimentResult Compute(Experiment experiment, CancellationToken cancellationToken)
    {
        var state = results.StateOf(experiment);
        Directory.CreateDirectory(state);
        var (histories, catalogue) = (experiment.Data.Histories, experiment.Data.Catalogue);
        var strict = experiment.Protocol == Protocol.Strict;
        var fitted = strict ? histories.SplitLast(2, 2) : histories.SplitLast(1, 1) with { Test = [] };
        var test = histories.SplitLast(strict ? 2 : 1, 1).Test;
        if (test.Count == 0)
        {
            throw new InvalidOperationException($"{experiment.Data.Name} has no user with three items or more: there is nothing to test on.");
        }

        var curve = ReadCurve(state);
        var (before, started) = (curve.Count > 0 ? curve[^1].Elapsed : 0, time.GetTimestamp());
        double Elapsed() => before + time.GetElapsedTime(started).TotalSeconds;

        var recipe = RecipeOf(experiment);
        var context = new ModelContext(catalogue, evidence(experiment, recipe, fitted.Train));
        var fit = new OfflineFit(experiment.Family, recipe, context, experiment.Seed, time)
        {
            StateDirectory = state,
            Resumed = Told,
            Progress = Progress,
            Report = pass =>
            {
                // A pass that a kill made the run repeat stands once.
                curve.RemoveAll(point => point.Stage == pass.Stage && point.Epoch >= pass.Epoch);
                curve.Add(new CurvePoint(pass.Stage, pass.Epoch, pass.Loss, pass.Validation?.Ndcg(10), Elapsed()));
                ResultStore.WriteFile(Path.Combine(state, CurveFile), JsonSerializer.Serialize(curve, ExperimentResult.Json));
                Told?.Invoke(FormattableString.Invariant(
                    $"{experiment.Key}: {pass.Stage} {pass.Epoch}, loss {pass.Loss:F4}, {(pass.Validation is { } validation ? $"validation NDCG@10 {validation.Ndcg(10):F4}{(pass.Best ? " best" : "")}, " : "")}{pass.TokensPerSecond:N0} items/s"));
            },
            StageEnded = (model, stage, epoch) =>
            {
                var last = stage == model.Stages.Count - 1;
                var ended = new EndedStage(epoch, last ? [] : Test(model, stage + 1, test, fitted.Train, catalogue.Count, cancellationToken));
                ResultStore.WriteFile(Path.Combine(state, StageFile(stage)), JsonSerializer.Serialize(ended, ExperimentResult.Json));
            },
        };
        using var model = fit.Run(fitted, cancellationToken);
        var stages = Enumerable.Range(0, model.Stages.Count).Select(stage => ReadStage(state, stage)).ToArray();
        var variants = Test(model, stages.Length, test, fitted.Train, catalogue.Count, cancellationToken);
        var result = new ExperimentResult
        {
            Data = experiment.Data.Name,
            DataHash = experiment.Data.Hash,
            Family = experiment.Family.Name,
            Recipe = experiment.RecipeName,
            RecipeHash = experiment.RecipeHash,
            Protocol = experiment.Protocol,
            Seed = experiment.Seed,
            Seconds = Elapsed(),
            Machine = Machine(),
            CodeVersion = codeVersion,
            Date = time.GetUtcNow(),
            Calibrated = ConfigOf(model, fitted.Train),
            Epochs = [.. stages.Select(stage => stage.Epoch)],
            Curve = curve,
            Variants = [.. stages.SelectMany(stage => stage.Variants), .. variants],
            Cases = Breakdown.Of(fitted.Train, test),
        };
        results.Save(experiment, result);
        return result;
    }

    /// <summary>The recipe to fit: its own, or what the strict run made of it.</summary>
    private JsonElement RecipeOf(Experiment experiment)
    {
        if (experiment.Protocol == Protocol.Strict)
        {
            return experiment.Recipe;
        }

        var strict = results.Find(experiment.Strict) ?? throw new InvalidOperationException(
            $"{experiment.Key} needs the passes and weights that {experiment.Strict.Key} chooses on validation: run the strict protocol first.");
        var recipe = JsonNode.Parse(JsonSerializer.Serialize(strict.Calibrated))!;
        if (recipe is JsonObject named && named["stages"] is JsonArray stages)
        {
            foreach (var (stage, epochs) in stages.Zip(strict.Epochs))
            {
                stage!["epochs"] = Math.Max(1, epochs);
            }
        }

        return JsonSerializer.SerializeToElement(recipe);
    }

    /// <summary>Every way to ask these weights.</summary>
    /// <param name="model">The weights.</param>
    /// <param name="stage">The stage that they come from, from 1.</param>
    /// <param name="test">The cases.</param>
    /// <param name="train">What novelty is counted on.</param>
    /// <param name="itemCount">Items that could be shown.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    private static List<ResultVariant> Test(
        ITrainableModel model, int stage, IReadOnlyList<TestCase> test, IReadOnlyList<UserHistory> train, int itemCount, CancellationToken cancellationToken)
    {
        var variants = new List<ResultVariant>();
        var repeats = test.Any(t => t.History.Span.Contains(t.Target));
        var chosen = (model as ITwoStepRecall)?.SecondStep ?? 0;
        foreach (var steps in model is ITwoStepRecall ? new[] { 0, Math.Max(1, chosen) } : [0])
        {
            using var view = (model as ITwoStepRecall)?.WithSecondStep(steps);
            foreach (var masked in repeats ? new[] { true, false } : [true])
            {
                var exposure = new Exposure(train, itemCount);
                var metrics = Evaluator.Evaluate(view ?? model, test, masked, exposure, null, cancellationToken);
                variants.Add(new ResultVariant
                {
                    Stage = stage,
                    SecondStep = steps,
                    Chosen = steps == chosen,
                    Masked = masked,
                    Metrics = new Dictionary<string, double>([.. metrics.Named(), .. exposure.Named()]),
                    Ranks = [.. metrics.Ranks],
                });
            }
        }

        return variants;
    }

    private static JsonElement ConfigOf(ITrainableModel model, IReadOnlyList<UserHistory> train)
    {
        var directory = Directory.CreateTempSubdirectory("streamrec-experiment-");
        try
        {
            return model.Save(directory.FullName, Manifests.GoldenHistories(train, 1)).Config;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static List<CurvePoint> ReadCurve(string state) => File.Exists(Path.Combine(state, CurveFile))
        ? JsonSerializer.Deserialize<List<CurvePoint>>(File.ReadAllText(Path.Combine(state, CurveFile)), ExperimentResult.Json) ?? []
        : [];

    private static EndedStage ReadStage(string state, int stage) =>
        JsonSerializer.Deserialize<EndedStage>(File.ReadAllText(Path.Combine(state, StageFile(stage))), ExperimentResult.Json)!;

    private static string StageFile(int stage) => $"stage-{stage}.json";

    private static string Machine()
    {
        const string CpuInfo = "/proc/cpuinfo";
        var name = File.Exists(CpuInfo)
            ? File.ReadLines(CpuInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[^1].Trim()
            : null;
        return $"{name ?? RuntimeInformation.ProcessArchitecture.ToString()}, {(Environment.ProcessorCount == 1 ? "1 core" : $"{Environment.ProcessorCount} cores")}";
    }

    private sealed record EndedStage(int Epoch, IReadOnlyList<ResultVariant> Variants);
}

using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training;

/// <summary>What a command says in place of the recipe's last stage; null leaves the recipe's word.</summary>
/// <param name="Epochs">Passes over the data at the most, 1 or more.</param>
/// <param name="Patience">Passes without a better validation NDCG@10 before the stage ends, 0 or more; 0 = run all passes and keep the last weights.</param>
/// <param name="BatchSize">Histories in one step, 1 or more.</param>
public readonly record struct StageOverride(int? Epochs, int? Patience, int? BatchSize)
{
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    internal void Check()
    {
        Least("epochs", Epochs, 1);
        Least("patience", Patience, 0);
        Least("batch", BatchSize, 1);

        static void Least(string name, int? value, int least)
        {
            if (value < least)
            {
                throw new ArgumentException($"{name} is {value}; it must be {least} or more.");
            }
        }
    }

    internal TrainingStage Over(TrainingStage stage) => stage with
    {
        Epochs = Epochs ?? stage.Epochs,
        Patience = Patience ?? stage.Patience,
        BatchSize = BatchSize ?? stage.BatchSize,
    };
}

/// <summary>What a pass over the data came to.</summary>
/// <param name="Stage">The stage's name.</param>
/// <param name="Epoch">From 1 within the stage.</param>
/// <param name="Loss">Mean training loss.</param>
/// <param name="Validation">Quality on the validation cases; null where there are none to stop by.</param>
/// <param name="TokensPerSecond">Items to be predicted in the histories passed in a second, validation not included; of a long history a pass learns a piece.</param>
/// <param name="Duration">Training time of the pass, validation not included.</param>
/// <param name="Best">Whether it is the stage's best so far.</param>
public sealed record EpochReport(
    string Stage, int Epoch, double Loss, RankingMetrics? Validation, double TokensPerSecond, TimeSpan Duration, bool Best);

/// <summary>How far a fit has come.</summary>
/// <param name="Stage">The running stage's name.</param>
/// <param name="Done">Passes done in all stages, the running one in part.</param>
/// <param name="Epochs">Passes of all stages at the most.</param>
/// <param name="Loss">Mean loss of the running pass.</param>
/// <param name="TokensPerSecond">The same of the running pass.</param>
public readonly record struct FitProgress(string Stage, double Done, int Epochs, double Loss, double TokensPerSecond);

/// <summary>Trains a model through the stages of its recipe; needs neither journal nor checkpoints.</summary>
/// <remarks>
/// Each stage ends when validation NDCG@10 has not got better for its patience, with its best weights; without validation cases, or with a
/// patience of 0, it runs all its passes and keeps the last weights. The same arguments give the same weights, bit for bit on a CPU with
/// the same number of threads, however often the run was killed and resumed in between.
/// </remarks>
public sealed class OfflineFit(IModelFamily family, JsonElement recipe, ModelContext context, int seed, TimeProvider time)
{
    /// <summary>How much work a crash may cost.</summary>
    private static readonly TimeSpan SaveEvery = TimeSpan.FromMinutes(1);

    /// <summary>In place of the recipe's last stage.</summary>
    public StageOverride Override { get; init; }

    /// <summary>Where the run keeps its state; a later run with the same recipe, data and seed goes on from there. Null keeps none.</summary>
    public string? StateDirectory { get; init; }

    /// <summary>Told whether a state was found and taken, or why not; in words.</summary>
    public Action<string>? Resumed { get; init; }

    /// <summary>Told after each pass.</summary>
    public Action<EpochReport>? Report { get; init; }

    /// <summary>
    /// Given the model with a stage's best weights, before the next stage begins, and the pass that they come from; it may ask the model and
    /// must not change it. Called at least once for each stage, also where a run is killed right after it.
    /// </summary>
    public Action<ITrainableModel, int, int>? StageEnded { get; init; }

    /// <summary>Told after each step.</summary>
    public IProgress<FitProgress>? Progress { get; init; }

    /// <summary>Trains to the end.</summary>
    /// <param name="split">Histories to learn from, and the validation cases; none of these = all passes, last weights, no calibration.</param>
    /// <param name="cancellationToken">Stops between steps; the state directory keeps what was saved last.</param>
    /// <returns>The model with its best weights, calibrated; the caller's.</returns>
    /// <exception cref="ArgumentException">The recipe or <see cref="Override"/> is out of range.</exception>
    /// <exception cref="InvalidOperationException">No history has two items: nothing follows anything.</exception>
    public ITrainableModel Run(LeaveOneOut split, CancellationToken cancellationToken)
    {
        Override.Check();
        var vocabulary = new TrainingVocabulary(
            [.. split.Train.SelectMany(user => user.Items).Distinct().Order()], [.. split.Train.Select(user => user.UserId)]);
        var fit = split.Train.Where(user => user.Items.Length >= 2).ToList();
        if (fit.Count == 0)
        {
            throw new InvalidOperationException(
                $"None of {split.Train.Count} users has two items to learn from besides those that are held out: there is nothing to train on.");
        }

        var temporary = StateDirectory is null ? Directory.CreateTempSubdirectory("streamrec-fit-").FullName : null;
        var model = family.Create(recipe, vocabulary, null, context, seed);
        try
        {
            var states = new FitStates(StateDirectory ?? temporary!, FitStates.Fingerprint(family.Name, recipe, Override, seed, split));
            var at = StateDirectory is null ? new FitState() : states.Resume(model, Resumed);
            while (at.Stage < model.Stages.Count)
            {
                at = RunStage(model, at, states, fit, split.Test, cancellationToken);
            }

            if (split.Test.Count > 0)
            {
                model.Calibrate(split.Test);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
        finally
        {
            if (temporary is not null)
            {
                Directory.Delete(temporary, recursive: true);
            }
        }
    }

    /// <returns>The beginning of the next stage.</returns>
    private FitState RunStage(
        ITrainableModel model, FitState at, FitStates states, List<UserHistory> fit, IReadOnlyList<TestCase> validation, CancellationToken cancellationToken)
    {
        var stage = StageOf(model, at.Stage);
        var chooses = stage.Patience > 0 && validation.Count > 0;
        while (at.Epoch < stage.Epochs && !(chooses && at.Since >= stage.Patience))
        {
            var started = time.GetTimestamp();
            at = Pass(model, stage, at, states, fit, cancellationToken);
            var duration = time.GetElapsedTime(started);
            var metrics = validation.Count > 0 ? Evaluator.Evaluate(model, validation, null, cancellationToken) : null;
            var better = chooses && metrics!.Ndcg(10) > at.Best;
            var report = new EpochReport(
                stage.Name, at.Epoch + 1, at.LossSum / at.Steps, metrics, (at.Tokens - at.TokensBefore) / Math.Max(1e-3, duration.TotalSeconds), duration, better);
            at = at with
            {
                Epoch = at.Epoch + 1,
                Steps = 0,
                LossSum = 0,
                Tokens = 0,
                TokensBefore = 0,
                Best = better ? metrics!.Ndcg(10) : at.Best,
                BestEpoch = better ? at.Epoch + 1 : at.BestEpoch,
                Since = better ? 0 : at.Since + 1,
            };
            if (better || StateDirectory is not null)
            {
                at = states.Save(model, at, best: better);
            }

            Report?.Invoke(report);
        }

        if (at.BestModel is not null)
        {
            model.LoadState(states.PathOf(at.BestModel));
        }

        StageEnded?.Invoke(model, at.Stage, at.BestModel is null ? at.Epoch : at.BestEpoch);
        if (at.Stage + 1 < model.Stages.Count)
        {
            model.BeginStage(at.Stage + 1);
        }

        return new FitState { Stage = at.Stage + 1 };
    }

    private FitState Pass(
        ITrainableModel model, TrainingStage stage, FitState at, FitStates states, List<UserHistory> fit, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var saved = started;
        at = at with { TokensBefore = at.Tokens };
        // A generator of its own for each pass: nothing of it has to be saved, and a resumed pass skips to where it was.
        foreach (var batch in Batches.Of(fit, stage.BatchSize, new Random(HashOf(seed, at.Stage, at.Epoch))).Skip(at.Steps))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (StateDirectory is not null && time.GetElapsedTime(saved) >= SaveEvery)
            {
                at = states.Save(model, at, best: false);
                saved = time.GetTimestamp();
            }

            at = at with { LossSum = at.LossSum + model.TrainStep(batch), Steps = at.Steps + 1, Tokens = at.Tokens + batch.Sum(history => history.Items.Length - 1L) };
            if (Progress is not null)
            {
                var before = Enumerable.Range(0, at.Stage).Sum(i => StageOf(model, i).Epochs);
                var total = Enumerable.Range(0, model.Stages.Count).Sum(i => StageOf(model, i).Epochs);
                var share = (double)at.Steps * stage.BatchSize / fit.Count;
                Progress.Report(new FitProgress(
                    stage.Name, before + at.Epoch + Math.Min(1, share), total, at.LossSum / at.Steps,
                    (at.Tokens - at.TokensBefore) / Math.Max(1e-3, time.GetElapsedTime(started).TotalSeconds)));
            }
        }

        return at;
    }

    private TrainingStage StageOf(ITrainableModel model, int stage) =>
        stage == model.Stages.Count - 1 ? Override.Over(model.Stages[stage]) : model.Stages[stage];

    // Fixed for all times, unlike HashCode.
    private static int HashOf(int seed, int stage, int epoch) => unchecked((((seed * 31) + stage) * 1_000_003) + epoch);
}

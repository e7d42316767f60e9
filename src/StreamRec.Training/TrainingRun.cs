using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training;

/// <summary>How far a run has come.</summary>
/// <param name="Epoch">The running pass, from 1.</param>
/// <param name="Epochs">Passes at the most.</param>
/// <param name="Share">Share of the run that is done, in [0, 1]: of its steps or of its time budget, whichever is further.</param>
/// <param name="Loss">Mean loss of the last steps.</param>
/// <param name="HistoriesPerSecond">Training speed.</param>
public readonly record struct TrainingProgress(int Epoch, int Epochs, double Share, double Loss, double HistoriesPerSecond);

/// <summary>What a run came to.</summary>
/// <param name="Version">The checkpoint that was published; null when there was nothing to train on.</param>
/// <param name="Activated">Whether it serves now.</param>
/// <param name="Reason">Why not, or what it was accepted for.</param>
/// <param name="Candidate">Its quality on the held-out interactions.</param>
/// <param name="Champion">The champion's on the same ones, or null.</param>
/// <param name="Popularity">Popularity's on the same ones.</param>
/// <param name="Duration">Time of the whole run.</param>
public sealed record TrainingReport(
    ModelVersion? Version,
    bool Activated,
    string Reason,
    RankingMetrics? Candidate,
    RankingMetrics? Champion,
    RankingMetrics? Popularity,
    TimeSpan Duration);

/// <summary>
/// One run of continuous training: fine-tune the champion on what is new, mixed with as much that is old so that it forgets nothing,
/// judge both on the newest interactions that neither has seen, publish the candidate, activate it when it is good enough.
/// </summary>
/// <remarks>
/// Both stand on the evidence of the training part: live counts have seen what judges them. The older quarter of what is held out is for
/// <see cref="ITrainableModel.Calibrate"/> alone, the rest judges.
/// </remarks>
/// <param name="options">Validated settings.</param>
/// <param name="recipe">The family's recipe.</param>
/// <param name="journal">Item numbers.</param>
/// <param name="checkpoints">Where checkpoints come from and go to.</param>
/// <param name="family">What to train.</param>
/// <param name="evidence">Counts the histories given.</param>
/// <param name="codeVersion">Written into manifests.</param>
/// <param name="time">Clock.</param>
public sealed class TrainingRun(
    TrainingOptions options,
    JsonElement recipe,
    IJournal journal,
    ICheckpoints checkpoints,
    IModelFamily family,
    Func<IReadOnlyList<UserHistory>, IEvidence> evidence,
    string codeVersion,
    TimeProvider time)
{
    /// <summary>Golden inputs written into a checkpoint.</summary>
    internal const int GoldenInputs = 8;

    /// <summary>Runs to the end on the calling thread.</summary>
    /// <param name="histories">The journal's content.</param>
    /// <param name="seed">Everything random follows from it.</param>
    /// <param name="progress">Told after each batch, or null.</param>
    /// <param name="cancellationToken">Stops between batches; nothing is published then.</param>
    public TrainingReport Run(
        Histories histories, int seed, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var (champion, parent) = OpenChampion(out var refusal);
        var trainedUpTo = parent.Manifest?.TrainedUpTo ?? 0;
        var split = histories.SplitByTime(options.HoldOut, options.MaxHeldOut, trainedUpTo);
        if (split.HeldOut.Count < 10 || split.UpTo <= trainedUpTo)
        {
            return Done(null, false, $"only {split.HeldOut.Count} interactions are newer than the champion's training data", null, null, null);
        }

        // Only a champion of the same family has weights to go on from; any champion is a judge.
        var from = champion?.Family == family.Name ? new ParentCheckpoint(parent.Directory, parent.Manifest!.Config) : null;
        var vocabulary = new TrainingVocabulary(
            [.. split.Train.SelectMany(user => user.Items).Distinct().Order()], [.. split.Train.Select(user => user.UserId)]);
        var counts = evidence(split.Train);
        using var model = family.Create(recipe, vocabulary, from, new ModelContext(journal.Catalogue, counts), seed);
        // The earlier stages are behind the parent; a first model begins with them.
        var stage = from is null ? 0 : model.Stages.Count - 1;
        if (stage > 0)
        {
            model.BeginStage(stage);
        }

        var fresh = Fresh(histories, split, trainedUpTo);
        Fit(model, model.Stages[stage].BatchSize, split.Train, fresh, new Random(seed), progress, cancellationToken);

        var calibration = split.HeldOut.Count / 4;
        model.Calibrate([.. split.HeldOut.Take(calibration)]);
        split = split with { HeldOut = [.. split.HeldOut.Skip(calibration)] };
        var candidate = Evaluator.Evaluate(model, split.HeldOut, null, cancellationToken);
        var popularity = Evaluator.EvaluatePopularity(split.Train, split.HeldOut);
        var reference = champion is null ? null : EvaluateChampion(champion, counts, split, cancellationToken);
        var version = Publish(model, split, champion, seed, candidate, reference, popularity);
        // Also the refused ones pile up; what an alias points at and the newest, this one among them, stay.
        checkpoints.Prune(family.Name, options.KeepCheckpoints);

        var (judge, bar) = Bar();
        // A model that finds nothing at all serves nobody, however low the bar.
        if (candidate.Ndcg(10) < bar || candidate.Ndcg(10) == 0)
        {
            return Done(version, false, $"NDCG@10 {candidate.Ndcg(10):F4} does not reach the bar {bar:F4} set by {judge}", candidate, reference, popularity);
        }

        try
        {
            checkpoints.Activate(version);
        }
        catch (CheckpointRejectedException refused)
        {
            return Done(version, false, refused.Message, candidate, reference, popularity);
        }

        return Done(version, true, $"NDCG@10 {candidate.Ndcg(10):F4}, the bar set by {judge} was {bar:F4}", candidate, reference, popularity);

        // The first model takes over from transitions and popularity: it has to be at least as good as either.
        (string Judge, double Ndcg) Bar()
        {
            if (reference is not null)
            {
                return (champion!.ToString(), reference.Ndcg(10) * options.MinNdcgRatio);
            }

            using var transitions = new EvidenceModel("transitions", counts, journal.Catalogue.Count);
            var ndcg = Evaluator.Evaluate(transitions, split.HeldOut, null, cancellationToken).Ndcg(10);
            return ndcg > popularity.Ndcg(10) ? ("transitions", ndcg) : ("popularity", popularity.Ndcg(10));
        }

        TrainingReport Done(
            ModelVersion? published, bool activated, string reason, RankingMetrics? c, RankingMetrics? r, RankingMetrics? p) =>
            new(published, activated, refusal is null ? reason : $"{reason}; {refusal}", c, r, p, time.GetElapsedTime(started));
    }

    // A damaged champion neither teaches nor judges: training starts afresh, and its candidate replaces the champion when it beats transitions and popularity.
    private (ModelVersion? Version, (string Directory, CheckpointManifest Manifest) Parent) OpenChampion(out string? refusal)
    {
        refusal = null;
        if (checkpoints.Champion is not { } champion)
        {
            return default;
        }

        try
        {
            checkpoints.Load(champion).Dispose();
            return (champion, checkpoints.Open(champion));
        }
        catch (CheckpointRejectedException refused)
        {
            refusal = $"the champion was left out: {refused.Message}";
            return default;
        }
    }

    // Users with something newer than the champion's training data, as indices into the training histories.
    private static HashSet<string> Fresh(Histories histories, TimeSplit split, long trainedUpTo)
    {
        var fresh = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < histories.Arrivals.Count - split.HeldOut.Count; i++)
        {
            if (histories.Arrivals[i].Position > trainedUpTo)
            {
                fresh.Add(histories.Users[histories.Arrivals[i].User].UserId);
            }
        }

        return fresh;
    }

    private void Fit(
        ITrainableModel model,
        int batchSize,
        IReadOnlyList<UserHistory> train,
        HashSet<string> freshUsers,
        Random random,
        IProgress<TrainingProgress>? progress,
        CancellationToken cancellationToken)
    {
        var fresh = train.Where(user => user.Items.Length >= 2 && freshUsers.Contains(user.UserId)).ToArray();
        var old = train.Where(user => user.Items.Length >= 2 && !freshUsers.Contains(user.UserId)).ToArray();
        var started = time.GetTimestamp();
        var seen = 0L;
        for (var epoch = 1; epoch <= options.MaxEpochs; epoch++)
        {
            random.Shuffle(old);
            UserHistory[] pass = [.. fresh, .. old.Take(fresh.Length)];
            var done = 0;
            foreach (var batch in Batches.Of(pass, batchSize, random))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var elapsed = time.GetElapsedTime(started);
                if (elapsed >= options.Budget)
                {
                    return;
                }

                var loss = model.TrainStep(batch);
                seen += batch.Count;
                done += batch.Count;
                var bySteps = (epoch - 1 + ((double)done / pass.Length)) / options.MaxEpochs;
                progress?.Report(new TrainingProgress(
                    epoch, options.MaxEpochs, Math.Max(bySteps, elapsed / options.Budget), loss, seen / Math.Max(1e-3, elapsed.TotalSeconds)));
            }
        }
    }

    private RankingMetrics EvaluateChampion(
        ModelVersion champion, IEvidence counts, TimeSplit split, CancellationToken cancellationToken)
    {
        using var model = checkpoints.Load(champion, counts);
        return Evaluator.Evaluate(model, split.HeldOut, null, cancellationToken);
    }

    private ModelVersion Publish(
        ITrainableModel model,
        TimeSplit split,
        ModelVersion? champion,
        int seed,
        RankingMetrics candidate,
        RankingMetrics? reference,
        RankingMetrics popularity)
    {
        var metrics = new Dictionary<string, double>(candidate.Named());
        foreach (var (name, value) in popularity.Named("popularity.").Concat(reference?.Named("champion.") ?? []))
        {
            metrics[name] = value;
        }

        metrics["heldout"] = split.HeldOut.Count;
        var draft = Manifests.Draft(family.Name, champion, seed, codeVersion, 0, split.UpTo, HeldOut.Newest, metrics, time.GetUtcNow());
        return checkpoints.Publish(family.Name, draft, directory => model.Save(directory, Manifests.GoldenHistories(split.Train, GoldenInputs)));
    }
}

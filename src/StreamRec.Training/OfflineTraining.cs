using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training;

/// <summary>Settings of <c>streamrec train</c>.</summary>
/// <param name="Epochs">Passes over the data at the most, 1 or more.</param>
/// <param name="Patience">Passes without a better validation NDCG@10 before training stops.</param>
/// <param name="BatchSize">Histories in one step.</param>
/// <param name="Seed">Everything random follows from it.</param>
public sealed record OfflineTrainingOptions(int Epochs, int Patience, int BatchSize, int Seed);

/// <summary>What a pass over the data came to.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">Mean training loss.</param>
/// <param name="Validation">Quality on each user's second-last item.</param>
/// <param name="Duration">Training time of the pass, validation not included.</param>
/// <param name="Best">Whether it is the best so far.</param>
public sealed record EpochReport(int Epoch, double Loss, RankingMetrics Validation, TimeSpan Duration, bool Best);

/// <summary>
/// Training on the whole journal by the strict protocol: fit on all but the last two items of each user, choose the pass by the second-last,
/// leave the last one for <c>streamrec evaluate</c>.
/// </summary>
public sealed class OfflineTraining(
    OfflineTrainingOptions options,
    JsonElement recipe,
    IJournal journal,
    ICheckpoints checkpoints,
    IModelFamily family,
    string codeVersion,
    TimeProvider time)
{
    /// <summary>Trains and publishes the best pass; it is not activated.</summary>
    /// <exception cref="InvalidOperationException">The journal holds no user with at least three interactions.</exception>
    public ModelVersion Run(
        Histories histories, long position, Action<EpochReport> report, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var split = histories.SplitLast(heldOut: 2, target: 2);
        if (split.Test.Count == 0)
        {
            throw new InvalidOperationException(
                $"The journal holds {histories.Users.Count} users and none with three interactions or more: there is nothing to train on. Import or replay interactions first.");
        }

        var vocabulary = new TrainingVocabulary(
            [.. split.Train.SelectMany(user => user.Items).Distinct().Order()], [.. split.Train.Select(user => user.UserId)]);
        using var model = family.Create(recipe, vocabulary, null, new ModelContext(journal.Catalogue, NoEvidence.Instance), options.Seed);
        var fit = split.Train.Where(user => user.Items.Length >= 2).ToList();
        var random = new Random(options.Seed);
        var best = Directory.CreateTempSubdirectory("streamrec-train-");
        try
        {
            var (content, metrics, bestNdcg, since) = (default(CheckpointContent), default(RankingMetrics), double.NegativeInfinity, 0);
            for (var epoch = 1; epoch <= options.Epochs && since < options.Patience; epoch++)
            {
                var started = time.GetTimestamp();
                var loss = Pass(model, fit, epoch, random, progress, cancellationToken);
                var duration = time.GetElapsedTime(started);
                var validation = Evaluator.Evaluate(model, split.Test, null, cancellationToken);
                var better = validation.Ndcg(10) > bestNdcg;
                since = better ? 0 : since + 1;
                if (better)
                {
                    (bestNdcg, metrics) = (validation.Ndcg(10), validation);
                    content = model.Save(best.FullName, Manifests.GoldenHistories(split.Train, TrainingRun.GoldenInputs));
                }

                report(new EpochReport(epoch, loss, validation, duration, better));
            }

            var draft = Manifests.Draft(
                family.Name, null, options.Seed, codeVersion, 0, position,
                new Dictionary<string, double>(metrics!.Named("validation.")), time.GetUtcNow());
            return checkpoints.Publish(family.Name, draft, directory =>
            {
                foreach (var name in content!.Files)
                {
                    File.Copy(Path.Combine(best.FullName, name), Path.Combine(directory, name));
                }

                return content;
            });
        }
        finally
        {
            best.Delete(recursive: true);
        }
    }

    private double Pass(
        ITrainableModel model, List<UserHistory> fit, int epoch, Random random, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var (sum, steps, done) = (0.0, 0, 0);
        foreach (var batch in Batches.Of(fit, options.BatchSize, random))
        {
            cancellationToken.ThrowIfCancellationRequested();
            sum += model.TrainStep(batch);
            steps++;
            done += batch.Count;
            progress?.Report(new TrainingProgress(
                epoch, options.Epochs, (double)done / fit.Count, sum / steps, done / Math.Max(1e-3, time.GetElapsedTime(started).TotalSeconds)));
        }

        return sum / steps;
    }
}

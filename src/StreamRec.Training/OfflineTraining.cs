using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Training;

/// <summary>
/// Training on the whole journal by the strict protocol: fit on all but the last two items of each user, choose the pass by the second-last,
/// leave the last one for <c>streamrec evaluate</c>.
/// </summary>
public sealed class OfflineTraining(ICheckpoints checkpoints, IModelFamily family, int seed, string codeVersion, TimeProvider time)
{
    /// <summary>Trains and publishes; the checkpoint is not activated.</summary>
    /// <param name="fit">Of the same family and seed.</param>
    /// <param name="histories">The journal's content.</param>
    /// <param name="position">The journal's newest position.</param>
    /// <param name="cancellationToken">Stops between steps; nothing is published then.</param>
    /// <exception cref="InvalidOperationException">The journal holds no user with at least three interactions.</exception>
    public ModelVersion Run(OfflineFit fit, Histories histories, long position, CancellationToken cancellationToken)
    {
        var split = histories.SplitLast(heldOut: 2, target: 2);
        if (split.Test.Count == 0)
        {
            throw new InvalidOperationException(
                $"The journal holds {histories.Users.Count} users and none with three interactions or more: there is nothing to train on. Import or replay interactions first.");
        }

        using var model = fit.Run(split, cancellationToken);
        var metrics = Evaluator.Evaluate(model, split.Test, null, cancellationToken);
        var draft = Manifests.Draft(
            family.Name, null, seed, codeVersion, 0, position, HeldOut.LastTwo, new Dictionary<string, double>(metrics.Named("validation.")), time.GetUtcNow());
        return checkpoints.Publish(
            family.Name, draft, directory => model.Save(directory, Manifests.GoldenHistories(split.Train, TrainingRun.GoldenInputs)));
    }
}

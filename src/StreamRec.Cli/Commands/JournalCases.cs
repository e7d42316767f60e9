using StreamRec.Domain;
using StreamRec.Training;

namespace StreamRec.Cli.Commands;

/// <summary>The journal as questions to checkpoints: only what none of them was trained on.</summary>
/// <param name="Split">What baselines and evidence are counted on, and the cases.</param>
/// <param name="Protocol">Which cases these are, in words.</param>
internal sealed record JournalCases(LeaveOneOut Split, string Protocol)
{
    /// <summary>
    /// Each user's last item for checkpoints that were trained without anybody's last two; else what came after the newest of the checkpoints.
    /// </summary>
    /// <param name="histories">The journal.</param>
    /// <param name="checkpoints">Whom they are asked.</param>
    /// <param name="protocol">What baselines are fitted on when last items are asked for.</param>
    /// <exception cref="InvalidOperationException">Nothing is left that all of them have not seen.</exception>
    public static JournalCases Of(Histories histories, IReadOnlyList<CheckpointManifest> checkpoints, Training.Experiments.Protocol protocol)
    {
        if (checkpoints.All(manifest => manifest.HeldOut == HeldOut.LastTwo))
        {
            var strict = protocol == Training.Experiments.Protocol.Strict;
            return new JournalCases(histories.SplitLast(strict ? 2 : 1, target: 1), strict ? "strict protocol" : "online protocol");
        }

        var newest = checkpoints.MaxBy(manifest => manifest.TrainedUpTo)!;
        var split = histories.SplitAfter(newest.TrainedUpTo);
        return split.HeldOut.Count > 0
            ? new JournalCases(
                new LeaveOneOut(split.Train, split.HeldOut),
                $"interactions after journal position {newest.TrainedUpTo:N0}, up to which {newest.Family}@{newest.Version} was trained")
            : throw new InvalidOperationException(
                $"{Knows(newest)} up to journal position {newest.TrainedUpTo:N0}, and nothing came after it. "
                + "Evaluate again when more has streamed in, or a model that leaves out everybody's last two items: streamrec train");
    }

    private static string Knows(CheckpointManifest manifest) => manifest.HeldOut == HeldOut.Unknown
        ? $"{manifest.Family}@{manifest.Version} does not say what its training left out, so it may know everything"
        : $"{manifest.Family}@{manifest.Version} was trained on everything";
}

using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Transitions;
using StreamRec.Training.Evaluation;

namespace StreamRec.Cli.Commands;

/// <summary>What stands beside every model: cheap to compute, and not always easy to beat.</summary>
internal static class Baselines
{
    /// <summary>What the stream itself says, for models that stand on it and as a baseline.</summary>
    /// <param name="recipe">Says how to count; undefined = as the baseline does.</param>
    /// <param name="train">The training part and never what is held out.</param>
    /// <param name="itemCount">Item numbers run from 0 to itemCount - 1.</param>
    public static IEvidence Evidence(JsonElement recipe, IReadOnlyList<UserHistory> train, int itemCount) =>
        TransitionEvidence.Count(TransitionsSettings.Of(recipe), train, itemCount);

    /// <summary>All baselines, counted on the training part.</summary>
    /// <param name="train">The training part.</param>
    /// <param name="itemCount">Item numbers run from 0 to itemCount - 1.</param>
    public static IReadOnlyList<IModel> Of(IReadOnlyList<UserHistory> train, int itemCount) =>
        [new PopularityModel(train), new EvidenceModel("transitions", Evidence(default, train, itemCount), itemCount)];
}

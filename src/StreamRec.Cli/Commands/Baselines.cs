using StreamRec.Domain;
using StreamRec.Server;
using StreamRec.Training.Evaluation;

namespace StreamRec.Cli.Commands;

/// <summary>What stands beside every model: cheap to compute, and not always easy to beat.</summary>
internal static class Baselines
{
    /// <summary>All baselines, counted on the training part; transitions with their default settings.</summary>
    /// <param name="train">The training part and never what is held out.</param>
    /// <param name="catalogue">Items that may be in a list.</param>
    public static IReadOnlyList<IModel> Of(IReadOnlyList<UserHistory> train, Catalogue catalogue) =>
        [new PopularityModel(train), new EvidenceModel("transitions", Pipeline.CountTransitions(default, catalogue)(train), catalogue.Count)];
}

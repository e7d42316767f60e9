using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;

namespace StreamRec.Models.Transitions;

/// <summary>Transition counts in training: each user's history is counted once, whatever number of passes brings it.</summary>
/// <remarks>
/// What the context has counted by the same settings is the training part whole and is taken as it is. Nothing is inherited from a parent: a
/// parent's counts hold the same interactions, and users who were forgotten since.
/// </remarks>
internal sealed class TransitionsTraining : TransitionsModel, ITrainableModel
{
    private readonly Catalogue _catalogue;
    private readonly TransitionsRecipe _recipe;
    private readonly Dictionary<string, UserHistory> _counted = new(StringComparer.Ordinal);
    private readonly bool _given;
    private bool _resumed;

    public TransitionsTraining(Vocabulary items, TransitionsRecipe recipe, ModelContext context)
        : base(new ModelVersion(TransitionsFamily.FamilyName, 0), items, Empty(recipe.Transitions, items), context)
    {
        (_catalogue, _recipe) = (context.Catalogue, recipe);
        if (context.Evidence is TransitionEvidence given && recipe.Transitions.CountsAs(given.Counts.Settings))
        {
            _given = true;
            Take(given.Counts);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<TrainingStage> Stages { get; } = [new TrainingStage("counting", 1, 1, 1024)];

    /// <inheritdoc/>
    public void BeginStage(int stage) => ArgumentOutOfRangeException.ThrowIfNotEqual(stage, 0);

    /// <inheritdoc/>
    /// <returns>0: nothing is predicted.</returns>
    public double TrainStep(IReadOnlyList<UserHistory> batch)
    {
        foreach (var history in batch)
        {
            if (!_given && _counted.TryAdd(history.UserId, history))
            {
                Count(Evidence.Counts, history);
            }
        }

        return 0;
    }

    /// <inheritdoc/>
    /// <remarks>With <c>tune</c>, one setting after the other, each given the best of those before; equal ones by the order of the grid.</remarks>
    public void Calibrate(IReadOnlyList<TestCase> validation)
    {
        if (!_recipe.Tune)
        {
            return;
        }

        var best = Ndcg(Evidence, validation);
        foreach (var step in _given || _resumed ? TransitionsGrid.Queries : TransitionsGrid.All)
        {
            foreach (var settings in step(Evidence.Settings))
            {
                var candidate = settings.CountsAs(Evidence.Counts.Settings) ? new TransitionEvidence(Evidence.Counts, settings) : Recount(settings);
                var ndcg = Ndcg(candidate, validation);
                if (ndcg > best)
                {
                    (best, Evidence) = (ndcg, candidate);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void SaveState(string directory) => Save(directory, []);

    /// <inheritdoc/>
    public void LoadState(string directory)
    {
        // What an earlier process has counted cannot be counted again in another way.
        _resumed = _counted.Count == 0;
        try
        {
            Evidence = new TransitionEvidence(
                TransitionsFile.Read(Path.Combine(directory, TransitionsFamily.CountsFile), Evidence.Settings, Items.Rows), Evidence.Settings);
        }
        catch (CheckpointRejectedException exception)
        {
            throw new InvalidDataException($"The training state in {directory} cannot be used: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories)
    {
        TransitionsFile.Write(Path.Combine(directory, TransitionsFamily.CountsFile), Evidence.Counts, Items.Rows);
        Items.Write(Path.Combine(directory, TransitionsFamily.ItemsFile));
        return new CheckpointContent(
            JsonSerializer.SerializeToElement(_recipe with { Transitions = Evidence.Settings }, RecipeJson.Options),
            [TransitionsFamily.CountsFile, TransitionsFamily.ItemsFile],
            GoldenInputs.Write(
                [.. goldenHistories.Select(h => (h.UserId, (IReadOnlyList<string>)[.. h.Items.Select(n => _catalogue[n].Id)]))], Items, TransitionsFamily.Rank(this, Items)));
    }

    private static TransitionEvidence Empty(TransitionsSettings settings, Vocabulary items) => new(new TransitionCounts(settings, items.Rows), settings);

    private void Take(TransitionCounts given)
    {
        for (var number = 0; number < _catalogue.Count; number++)
        {
            if (RowOf(number) is 0)
            {
                continue;
            }

            var successors = given.ReadRow(number).Where(entry => RowOf(entry.Item) != 0).ToArray();
            Evidence.Counts.Restore(
                RowOf(number), given.Occurrences(number), [.. successors.Select(entry => RowOf(entry.Item))], [.. successors.Select(entry => entry.Count)]);
        }
    }

    private TransitionEvidence Recount(TransitionsSettings settings)
    {
        var counts = new TransitionCounts(settings, Items.Rows);
        foreach (var history in _counted.Values)
        {
            Count(counts, history);
        }

        return new TransitionEvidence(counts, settings);
    }

    private void Count(TransitionCounts counts, UserHistory history)
    {
        var rows = RowsOf(history.Items, RowOf);
        for (var i = 0; i < rows.Length; i++)
        {
            counts.Count(rows[i], rows.AsSpan(0, i));
        }
    }

    private double Ndcg(TransitionEvidence evidence, IReadOnlyList<TestCase> cases)
    {
        const int K = 10;
        var (scores, bias, gain, before) = (new float[Items.Rows], new float[Items.Rows], 0.0, Evidence);
        Evidence = evidence;
        foreach (var test in cases)
        {
            var window = RowsOf(test.History.Span, RowOf);
            var place = Array.IndexOf(Rank(window, window, bias, K, scores), RowOf(test.Target));
            gain += place >= 0 ? 1 / Math.Log2(place + 2) : 0;
        }

        Evidence = before;
        return gain / Math.Max(1, cases.Count);
    }

    private int RowOf(int number) => number < _catalogue.Count ? Items.RowOf(_catalogue[number].Id) : 0;
}

/// <summary>What validation chooses from, one setting after the other.</summary>
internal static class TransitionsGrid
{
    /// <summary>Settings that need no other counts.</summary>
    public static IReadOnlyList<Func<TransitionsSettings, IEnumerable<TransitionsSettings>>> Queries { get; } =
    [
        s => [.. from ratio in new[] { 0.5, 0.6, 0.7, 0.8, 0.9 } select s with { WindowRatio = ratio, Head = null }],
        s => [.. from head in new[] { 5, 10, 20 } from ratio in new[] { 0.6, 0.7, 0.98 } select s with { WindowRatio = ratio, Head = head, HeadMass = 0.8 }],
        s => [.. from tau in new double?[] { null, 1_000, 5_000, 15_000, 30_000 } select s with { Tau = tau }],
        s => [.. from popularity in new[] { -0.08, -0.04, -0.02, 0, 0.04 } select s with { Popularity = popularity }],
    ];

    /// <summary>Decay and reach first: all the others depend on them.</summary>
    public static IReadOnlyList<Func<TransitionsSettings, IEnumerable<TransitionsSettings>>> All { get; } =
    [
        s =>
        [
            .. from reach in new[] { 5, 10, 20 }
               from decay in new[] { (TransitionDecay.Power, 0.5), (TransitionDecay.Power, 1), (TransitionDecay.Geometric, 0.7) }
               select s with { Decay = decay.Item1, Rate = decay.Item2, Reach = reach },
        ],
        .. Queries,
    ];
}

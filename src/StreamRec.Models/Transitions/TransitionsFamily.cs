using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;

namespace StreamRec.Models.Transitions;

/// <summary>A recipe of the family: <c>config/models/transitions.json</c>.</summary>
public sealed record TransitionsRecipe
{
    /// <summary>Whether the settings are chosen on validation, from a small grid around those given.</summary>
    public bool Tune { get; init; }

    public TransitionsSettings Transitions { get; init; } = new();

    /// <exception cref="ArgumentException">A key is unknown or a value out of range; the message names it.</exception>
    internal static TransitionsRecipe Read(JsonElement json)
    {
        var recipe = RecipeJson.Read<TransitionsRecipe>(json, TransitionsFamily.FamilyName);
        recipe.Transitions.Checked();
        return recipe;
    }
}

/// <summary>Transition counts as a family: how its checkpoints are written, proved and loaded.</summary>
public sealed class TransitionsFamily : IModelFamily
{
    internal const string FamilyName = "transitions";
    internal const string CountsFile = "transitions.safetensors";
    internal const string ItemsFile = "items.tsv";

    /// <summary>Length of golden lists.</summary>
    private const int GoldenK = 10;

    /// <summary>How far a golden score may be off: other processors have other logarithms.</summary>
    private const float GoldenTolerance = 1e-3f;

    /// <inheritdoc/>
    public string Name => FamilyName;

    /// <inheritdoc/>
    public void CheckRecipe(JsonElement recipe) => TransitionsRecipe.Read(recipe);

    /// <inheritdoc/>
    public IModel Load(string directory, CheckpointManifest manifest, ModelContext context)
    {
        var version = new ModelVersion(manifest.Family, manifest.Version);
        try
        {
            var recipe = TransitionsRecipe.Read(manifest.Config);
            var items = Vocabulary.Read(Path.Combine(directory, ItemsFile));
            var counts = TransitionsFile.Read(Path.Combine(directory, CountsFile), recipe.Transitions, items.Rows);
            var model = new TransitionsModel(version, items, new TransitionEvidence(counts, recipe.Transitions), context);
            Prove(model, items, manifest.Golden);
            return model;
        }
        catch (Exception exception) when (exception is ArgumentException or FileNotFoundException or CheckpointRejectedException)
        {
            throw new CheckpointRejectedException($"{version}: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed) =>
        new TransitionsTraining(new Vocabulary([.. vocabulary.Items.Select(number => context.Catalogue[number].Id)]), TransitionsRecipe.Read(recipe), context);

    /// <summary>The answers of a model to windows of item ids, to be reproduced by whoever loads it.</summary>
    internal static IReadOnlyList<GoldenInput> Golden(TransitionsModel model, Vocabulary items, (string UserId, string[] Window)[] inputs)
    {
        var scores = new float[items.Rows];
        var golden = new List<GoldenInput>(inputs.Length);
        foreach (var (user, window) in inputs)
        {
            var rows = Rank(model, items, window, scores);
            golden.Add(new GoldenInput(user, window, [.. rows.Select(row => items.Ids[row - 1])], [.. rows.Select(row => scores[row])]));
        }

        return golden;
    }

    private static void Prove(TransitionsModel model, Vocabulary items, IReadOnlyList<GoldenInput> golden)
    {
        if (golden.Count == 0)
        {
            throw new CheckpointRejectedException("the manifest has no golden inputs, so nothing proves that it computes what it computed when it was written");
        }

        var scores = new float[items.Rows];
        foreach (var (i, input) in golden.Index())
        {
            if (Rank(model, items, input.Window, scores).Length != input.Top.Count || input.Top.Count != input.Scores.Count || input.Top.Count == 0)
            {
                throw new CheckpointRejectedException($"golden input {i} has {input.Top.Count} items and {input.Scores.Count} scores, or no item that the checkpoint knows");
            }

            var scale = Math.Max(1e-6f, input.Scores.Max(Math.Abs));
            foreach (var (id, expected) in input.Top.Zip(input.Scores))
            {
                var actual = items.RowOf(id) is not 0 and var row ? scores[row] : float.NaN;
                if (!(Math.Abs(actual - expected) <= GoldenTolerance * scale))
                {
                    throw new CheckpointRejectedException($"golden input {i} does not reproduce: '{id}' scores {actual}, expected {expected}");
                }
            }
        }
    }

    private static int[] Rank(TransitionsModel model, Vocabulary items, IEnumerable<string> window, float[] scores)
    {
        int[] rows = [.. window.Select(items.RowOf).Where(row => row != 0)];
        return model.Rank(rows, rows, new float[items.Rows], GoldenK, scores);
    }
}

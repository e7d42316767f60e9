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
            GoldenInputs.Prove(manifest.Golden, items, Rank(model, items));
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

    /// <summary>How a model answers windows of item ids.</summary>
    internal static RankInputs Rank(TransitionsModel model, Vocabulary items) => (inputs, ranked) =>
    {
        var scores = new float[items.Rows];
        foreach (var (i, input) in inputs.Index())
        {
            int[] rows = [.. input.Window.Select(items.RowOf).Where(row => row != 0)];
            if (rows.Length > 0)
            {
                ranked(i, model.Rank(rows, rows, new float[items.Rows], GoldenInputs.K, scores), scores);
            }
        }
    };
}

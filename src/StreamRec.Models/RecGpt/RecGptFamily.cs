using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>RecGPT as a family: how its checkpoints are written, proved and loaded.</summary>
public sealed class RecGptFamily : IModelFamily
{
    internal const string FamilyName = "recgpt";
    internal const string WeightsFile = "model.safetensors";
    internal const string ItemsFile = "items.tsv";
    internal const string UsersFile = "users.tsv";

    private const string UserTable = "user_embeddings.weight";
    private const string ItemTable = "item_embeddings.weight";
    private const string OutputLayer = "output_layer.";
    private const string UseParents = "use the parent's recipe, or begin anew: streamrec train --recipe FILE --activate.";

    /// <inheritdoc/>
    public string Name => FamilyName;

    /// <inheritdoc/>
    public void CheckRecipe(JsonElement recipe) => RecGptRecipe.Read(recipe);

    /// <inheritdoc/>
    public IModel Load(string directory, CheckpointManifest manifest, ModelContext context)
    {
        var version = new ModelVersion(manifest.Family, manifest.Version);
        try
        {
            return LoadProven(directory, manifest, context, version);
        }
        catch (Exception exception) when (exception is ArgumentException or SafeTensorsException or TorchException or ModelFailedException or CheckpointRejectedException)
        {
            throw new CheckpointRejectedException($"{version}: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed)
    {
        var settings = RecGptRecipe.Read(recipe);
        context = context with { Evidence = RecGptEvidence.Of(settings.Evidence, context) };
        Vocabulary? parentItems = null, parentUsers = null;
        if (parent is not null)
        {
            CheckSameMathematics(settings.Model, RecGptRecipe.Read(parent.Config).Model);
            parentItems = Vocabulary.Read(Path.Combine(parent.Directory, ItemsFile));
            parentUsers = Vocabulary.Read(Path.Combine(parent.Directory, UsersFile));
        }

        // All of a parent's items stay. Of its users only those that the journal still has: whoever was forgotten is in no later checkpoint.
        var items = Vocabulary.Grow(parentItems, vocabulary.Items.Select(number => context.Catalogue[number].Id));
        var users = new Vocabulary([.. vocabulary.Users]);
        using var random = TorchRandom.Enter(seed);
        var network = new RecGptEnsemble(settings.Model, items.Rows, users.Rows);
        try
        {
            if (parent is not null)
            {
                Inherit(network, Path.Combine(parent.Directory, WeightsFile), users, parentUsers!);
            }

            network.Train(false);
            return new RecGptTraining(new ModelVersion(FamilyName, 0), settings, items, users, network, context, seed);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>How a model answers windows of item ids.</summary>
    /// <remarks>Without evidence: counts are a state of the stream, not of the checkpoint, and have moved on when it is loaded.</remarks>
    internal static RankInputs Rank(RecGptModel model, Vocabulary items, Vocabulary users) => (inputs, ranked) => model.Rank(
        [.. inputs.Select(input => WindowOf(model, input.UserId, input.Window, items, users))], AnyItem(items), row => row, ranked);

    private static RowWindow WindowOf(
        RecGptModel model, string userId, IReadOnlyList<string> window, Vocabulary items, Vocabulary users)
    {
        var rows = window.Select(items.RowOf).Where(row => row != 0).TakeLast(model.Config.MaxLength).ToArray();
        return new RowWindow(users.RowOf(userId), rows, rows, GoldenInputs.K);
    }

    // Every row but padding may be in a list.
    private static float[] AnyItem(Vocabulary items)
    {
        var bias = new float[items.Rows];
        bias[0] = float.NegativeInfinity;
        return bias;
    }

    private static RecGptModel LoadProven(string directory, CheckpointManifest manifest, ModelContext context, ModelVersion version)
    {
        var recipe = RecGptRecipe.Read(manifest.Config);
        context = context with { Evidence = RecGptEvidence.Of(recipe.Evidence, context) };
        foreach (var name in new[] { WeightsFile, ItemsFile, UsersFile })
        {
            if (!File.Exists(Path.Combine(directory, name)))
            {
                throw new CheckpointRejectedException($"{name} is missing");
            }
        }

        var items = Vocabulary.Read(Path.Combine(directory, ItemsFile));
        var users = Vocabulary.Read(Path.Combine(directory, UsersFile));
        using var file = SafeTensorsFile.Open(Path.Combine(directory, WeightsFile));
        CheckSize(file, recipe.Model, items);
        var model = new RecGptModel(version, recipe, items, users, new RecGptEnsemble(recipe.Model, items.Rows, users.Rows), context);
        try
        {
            CheckpointWeights.Load(model.Ensemble.StateDict(), file, WeightsFile);
            model.Ensemble.Train(false);
            GoldenInputs.Prove(manifest.Golden, items, Rank(model, items, users));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    // A manifest may name any shapes; memory is taken only for those that the file has.
    private static void CheckSize(SafeTensorsFile file, RecGptConfig config, Vocabulary items)
    {
        foreach (var member in new[] { 0, config.Members - 1 })
        {
            var prefix = RecGptEnsemble.PrefixOf(member, config.Members);
            Check(prefix + ItemTable, items.Rows, config.Hidden);
            Check(prefix + "position_embeddings.weight", config.MaxLength, config.Hidden);
            Check(prefix + $"layers.{config.Layers - 1}.ffn.linear1.weight", config.FeedForward, config.Hidden);
        }

        void Check(string name, params long[] shape)
        {
            if (!file.Names.Contains(name) || !file.Entry(name).Shape.SequenceEqual(shape))
            {
                throw new CheckpointRejectedException(
                    $"{name} is {(file.Names.Contains(name) ? $"[{string.Join(", ", file.Entry(name).Shape)}]" : "missing")}; expected [{string.Join(", ", shape)}]");
            }
        }
    }

    // What changes no shape and still makes the parent's weights mean something else.
    private static void CheckSameMathematics(RecGptConfig child, RecGptConfig parent)
    {
        var different = child.Heads != parent.Heads ? $"model.heads {child.Heads}, the parent {parent.Heads}"
            : child.Attention != parent.Attention ? $"model.attention {child.Attention}, the parent {parent.Attention}"
            : child.Legacy != parent.Legacy ? "other model.legacy than the parent"
            : null;
        if (different is not null)
        {
            throw new ArgumentException($"The recipe has {different}; {UseParents}");
        }
    }

    private static void Inherit(RecGptEnsemble network, string path, Vocabulary users, Vocabulary parentUsers)
    {
        using var file = SafeTensorsFile.Open(path);
        using var noGrad = NoGrad.Enter();
        var state = network.StateDict();
        if (state.Keys.Except(file.Names).Concat(file.Names.Except(state.Keys)).FirstOrDefault() is { } odd)
        {
            throw new ArgumentException(
                $"Only one of the recipe and the parent has {odd}; {UseParents}");
        }

        foreach (var (name, parameter) in state)
        {
            using var scope = TensorScope.Enter();
            var value = file.Read(name);
            // Users come and go, items are added; every other shape is the model's own.
            var isUsers = name.EndsWith(UserTable, StringComparison.Ordinal);
            var grows = name.EndsWith(ItemTable, StringComparison.Ordinal) || name.Contains(OutputLayer, StringComparison.Ordinal);
            if (value.Dim != parameter.Dim || !value.Shape.Skip(1).SequenceEqual(parameter.Shape.Skip(1))
                || !(isUsers || value.Size(0) == parameter.Size(0) || (grows && value.Size(0) < parameter.Size(0))))
            {
                throw new ArgumentException(
                    $"The recipe gives {name} the shape [{string.Join(", ", parameter.Shape)}], the parent has [{string.Join(", ", value.Shape)}]; {UseParents}");
            }

            if (isUsers)
            {
                CheckpointWeights.InheritRows(parameter, value, users, parentUsers);
            }
            else
            {
                parameter.Narrow(0, 0, value.Size(0)).CopyFrom_(value);
            }
        }
    }
}

using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models;

/// <summary>RecGPT as a family: how its checkpoints are written, proved and loaded.</summary>
public sealed class RecGptFamily : IModelFamily
{
    internal const string FamilyName = "recgpt";
    internal const string WeightsFile = "model.safetensors";
    internal const string ItemsFile = "items.tsv";
    internal const string UsersFile = "users.tsv";

    private const string UserTable = "user_embeddings.weight";

    /// <summary>Length of golden lists.</summary>
    private const int GoldenK = 10;

    /// <summary>How far a golden score may be off, relative to the largest: other processors sum in another order.</summary>
    private const float GoldenTolerance = 1e-3f;

    /// <inheritdoc/>
    public string Name => FamilyName;

    /// <inheritdoc/>
    public IModel Load(string directory, CheckpointManifest manifest, ModelContext context)
    {
        var version = new ModelVersion(manifest.Family, manifest.Version);
        var (recipe, items, users) = ReadParts(directory, manifest.Config, version);
        try
        {
            context = context with { Evidence = RecGptEvidence.Of(recipe.Evidence, context) };
        }
        catch (ArgumentException exception)
        {
            throw new CheckpointRejectedException($"{version}: {exception.Message}", exception);
        }

        var network = new RecGptEnsemble(recipe.Model, items.Rows, users.Rows);
        var model = new RecGptModel(version, recipe, items, users, network, context);
        try
        {
            LoadWeights(network, Path.Combine(directory, WeightsFile), version);
            network.Train(false);
            Prove(model, manifest.Golden, items, users);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, string? parentDirectory, ModelContext context, int seed)
    {
        var settings = RecGptRecipe.Read(recipe);
        context = context with { Evidence = RecGptEvidence.Of(settings.Evidence, context) };
        Vocabulary? parentItems = null, parentUsers = null;
        if (parentDirectory is not null)
        {
            parentItems = Vocabulary.Read(Path.Combine(parentDirectory, ItemsFile));
            parentUsers = Vocabulary.Read(Path.Combine(parentDirectory, UsersFile));
        }

        // All of a parent's items stay. Of its users only those that the journal still has: whoever was forgotten is in no later checkpoint.
        var items = Grow(parentItems, vocabulary.Items.Select(number => context.Catalogue[number].Id));
        var users = new Vocabulary([.. vocabulary.Users]);
        using var random = TorchRandom.Enter(seed);
        var network = new RecGptEnsemble(settings.Model, items.Rows, users.Rows);
        try
        {
            if (parentDirectory is not null)
            {
                Inherit(network, Path.Combine(parentDirectory, WeightsFile), users, parentUsers!);
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

    /// <summary>The answers of a model to windows of item ids, to be reproduced by whoever loads it.</summary>
    /// <remarks>Without evidence: counts are a state of the stream, not of the checkpoint, and have moved on when it is loaded.</remarks>
    internal static IReadOnlyList<GoldenInput> Golden(
        RecGptModel model, (string UserId, string[] Window)[] inputs, Vocabulary items, Vocabulary users)
    {
        var golden = new List<GoldenInput>(inputs.Length);
        var windows = inputs.Select(input => WindowOf(model, input.UserId, input.Window, items, users)).ToArray();
        model.Rank(windows, AnyItem(items), row => row, (i, rows, scores) => golden.Add(new GoldenInput(
            inputs[i].UserId, inputs[i].Window, [.. rows.Select(row => items.Ids[row - 1])], [.. rows.Select(row => scores[row])])));
        return golden;
    }

    private static void Prove(RecGptModel model, IReadOnlyList<GoldenInput> golden, Vocabulary items, Vocabulary users)
    {
        if (golden.Count == 0)
        {
            throw new CheckpointRejectedException($"{model.Version}: the manifest has no golden inputs, so nothing proves that it computes what it computed when it was written");
        }

        var windows = golden.Select(input => WindowOf(model, input.UserId, input.Window, items, users)).ToArray();
        var answered = new bool[golden.Count];
        model.Rank(windows, AnyItem(items), row => row, (i, rows, scores) =>
        {
            answered[i] = true;
            var (top, expected) = (golden[i].Top, golden[i].Scores);
            if (top.Count == 0 || top.Count != expected.Count)
            {
                throw new CheckpointRejectedException($"{model.Version}: golden input {i} has {top.Count} items and {expected.Count} scores");
            }

            var scale = Math.Max(1e-6f, expected.Max(Math.Abs));
            for (var place = 0; place < top.Count; place++)
            {
                var row = items.RowOf(top[place]);
                var actual = row == 0 ? float.NaN : scores[row];
                if (!(Math.Abs(actual - expected[place]) <= GoldenTolerance * scale))
                {
                    throw new CheckpointRejectedException(
                        $"{model.Version}: golden input {i} does not reproduce: '{top[place]}' scores {actual}, expected {expected[place]}");
                }
            }
        });

        var silent = Array.IndexOf(answered, false);
        if (silent >= 0)
        {
            throw new CheckpointRejectedException($"{model.Version}: golden input {silent} has no item that the checkpoint knows");
        }
    }

    private static RowWindow WindowOf(
        RecGptModel model, string userId, IReadOnlyList<string> window, Vocabulary items, Vocabulary users)
    {
        var rows = window.Select(items.RowOf).Where(row => row != 0).TakeLast(model.Config.MaxLength).ToArray();
        return new RowWindow(users.RowOf(userId), rows, rows, GoldenK);
    }

    // Every row but padding may be in a list.
    private static float[] AnyItem(Vocabulary items)
    {
        var bias = new float[items.Rows];
        bias[0] = float.NegativeInfinity;
        return bias;
    }

    private static (RecGptRecipe Recipe, Vocabulary Items, Vocabulary Users) ReadParts(
        string directory, JsonElement config, ModelVersion version)
    {
        RecGptRecipe recipe;
        try
        {
            recipe = RecGptRecipe.Read(config);
        }
        catch (ArgumentException exception)
        {
            throw new CheckpointRejectedException($"{version}: {exception.Message}", exception);
        }

        foreach (var name in new[] { WeightsFile, ItemsFile, UsersFile })
        {
            if (!File.Exists(Path.Combine(directory, name)))
            {
                throw new CheckpointRejectedException($"{version}: {name} is missing");
            }
        }

        return (recipe, Vocabulary.Read(Path.Combine(directory, ItemsFile)), Vocabulary.Read(Path.Combine(directory, UsersFile)));
    }

    private static void LoadWeights(RecGptEnsemble network, string path, ModelVersion version)
    {
        try
        {
            using var file = SafeTensorsFile.Open(path);
            var parameters = network.StateDict();
            var missing = parameters.Keys.Except(file.Names).Order().ToList();
            var unknown = file.Names.Except(parameters.Keys).Order().ToList();
            if (missing.Count > 0 || unknown.Count > 0)
            {
                throw new CheckpointRejectedException(
                    $"{version}: {WeightsFile} lacks [{string.Join(", ", missing)}] and has unknown [{string.Join(", ", unknown)}]");
            }

            using var noGrad = NoGrad.Enter();
            foreach (var (name, parameter) in parameters)
            {
                using var scope = TensorScope.Enter();
                var (dtype, shape) = (file.Entry(name).Dtype, file.Entry(name).Shape);
                if (dtype != ScalarType.Float32 || !shape.SequenceEqual(parameter.Shape))
                {
                    throw new CheckpointRejectedException(
                        $"{version}: {name} is {dtype} [{string.Join(", ", shape)}]; expected Float32 [{string.Join(", ", parameter.Shape)}]");
                }

                var value = file.Read(name);
                if (!value.IsFinite().All().Item<bool>())
                {
                    throw new CheckpointRejectedException($"{version}: {name} holds a value that is not finite");
                }

                parameter.CopyFrom_(value);
            }
        }
        catch (SafeTensorsException exception)
        {
            throw new CheckpointRejectedException($"{version}: {exception.Message}", exception);
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
                $"Only one of the recipe and the parent has {odd}; use the parent's recipe, or begin anew: streamrec train --recipe FILE --activate.");
        }

        foreach (var (name, parameter) in state)
        {
            using var scope = TensorScope.Enter();
            var value = file.Read(name);
            if (value.Dim != parameter.Dim || (!name.EndsWith(UserTable, StringComparison.Ordinal) && value.Size(0) > parameter.Size(0)) || !value.Shape.Skip(1).SequenceEqual(parameter.Shape.Skip(1)))
            {
                throw new ArgumentException(
                    $"The recipe gives {name} the shape [{string.Join(", ", parameter.Shape)}], the parent has [{string.Join(", ", value.Shape)}]; " +
                    "use the parent's recipe, or begin anew: streamrec train --recipe FILE --activate.");
            }

            if (name.EndsWith(UserTable, StringComparison.Ordinal))
            {
                InheritUsers(parameter, value, users, parentUsers);
            }
            else
            {
                parameter.Narrow(0, 0, value.Size(0)).CopyFrom_(value);
            }
        }
    }

    // The cold user and every user known to both, row by row id.
    private static void InheritUsers(Tensor table, Tensor parentTable, Vocabulary users, Vocabulary parentUsers)
    {
        long[] rows = [0, .. users.Ids.Where(id => parentUsers.RowOf(id) != 0).Select(id => (long)users.RowOf(id))];
        long[] parentRows = [0, .. users.Ids.Select(id => (long)parentUsers.RowOf(id)).Where(row => row != 0)];
        table.IndexCopy_(0, Tensor.From<long>(rows, rows.Length), parentTable.IndexSelect(0, Tensor.From<long>(parentRows, parentRows.Length)));
    }

    private static Vocabulary Grow(Vocabulary? parent, IEnumerable<string> ids)
    {
        if (parent is null)
        {
            return new Vocabulary([.. ids]);
        }

        return new Vocabulary([.. parent.Ids, .. ids.Where(id => parent.RowOf(id) == 0)]);
    }
}

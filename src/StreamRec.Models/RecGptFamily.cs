using System.Text.Json;
using System.Text.Json.Serialization;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models;

/// <summary>Which loss a recipe trains with.</summary>
public enum RecGptLossKind
{
    /// <summary>Softmax over all items: the strongest on catalogues that fit in memory.</summary>
    FullSoftmax,

    /// <summary>Softmax over the target and a uniform sample of the other items, for speed and for large catalogues.</summary>
    SampledSoftmax,

    /// <summary>The paper's stage 1: one negative a position, what was shown and not taken before a random one.</summary>
    BinaryCrossEntropy,
}

/// <summary>Which items of a history are predicted from what.</summary>
public enum RecGptTargets
{
    /// <summary>Every item at the slot before it, a history in one window: one pass of the decoder for all of them.</summary>
    AllPositions,

    /// <summary>
    /// Every item at the end of a window of its own, as when lists are made: several times the work, and better, because the slots
    /// before the newest need not predict anything themselves.
    /// </summary>
    Prefixes,
}

/// <summary>How Adam's step size falls over a stage.</summary>
public enum LearningRateDecay
{
    /// <summary>It stays.</summary>
    None,

    /// <summary>By the same amount each step.</summary>
    Linear,

    /// <summary>As half a cosine.</summary>
    Cosine,
}

/// <summary>One stage of a recipe.</summary>
public sealed record RecGptStage
{
    /// <summary>As people see it.</summary>
    public string Name { get; init; } = "training";

    public RecGptLossKind Loss { get; init; } = RecGptLossKind.FullSoftmax;

    /// <summary>What is predicted; prompts need <see cref="RecGptTargets.AllPositions"/>.</summary>
    public RecGptTargets Targets { get; init; } = RecGptTargets.AllPositions;

    /// <summary>
    /// Share of a window's items that are left out, drawn anew each time, in [0, 1): what comes next is learnt from the items further back,
    /// too. Needs <see cref="RecGptTargets.Prefixes"/>.
    /// </summary>
    public double ItemDropout { get; init; }

    /// <summary>Adam's step size, in (0, 1].</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>
    /// Adam's memory of squared gradients, in [0, 1). Shorter than usual, 0.98, keeps the steps of rare items large and noisy: together
    /// with <see cref="Averaging"/> the strongest regulariser on sparse data.
    /// </summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Adam's L2 term, in [0, 1].</summary>
    public double WeightDecay { get; init; }

    /// <summary>Passes over the data at the most, 1 to 100,000.</summary>
    public int Epochs { get; init; } = 40;

    /// <summary>Passes without a better validation NDCG@10 before the stage ends, 0 to 100,000; 0 = all passes are made and the last weights kept.</summary>
    public int Patience { get; init; } = 4;

    /// <summary>Histories in one step, 1 to 1,000,000.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Items that the sampled softmax draws in each step, 1 to 1,000,000.</summary>
    public int Negatives { get; init; } = 2048;

    /// <summary>Share of a target that the full softmax spreads over all items, in [0, 0.5].</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Largest norm of all gradients together, 0 to 1e6; 0 = no bound.</summary>
    public double GradientClip { get; init; }

    /// <summary>Steps over which the step size grows from 0, 0 to 1,000,000.</summary>
    public int WarmUpSteps { get; init; }

    /// <summary>How the step size falls after that, to 0 at the end of <see cref="Epochs"/>.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.None;

    /// <summary>Weight of the past in the running mean of the weights that the model answers with and is saved with, in [0, 1); 0 = no mean.</summary>
    public double Averaging { get; init; }

    public RecGptPromptOptions Prompts { get; init; } = new();
}

/// <summary>A RecGPT recipe: <c>config/models/recgpt.json</c>.</summary>
public sealed record RecGptRecipe
{
    /// <summary>How recipes and checkpoint configurations are written; an unknown key is an error.</summary>
    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    public RecGptConfig Model { get; init; } = new();

    /// <summary>Stages of training in order, at least one; continuous training goes on with the last.</summary>
    public IReadOnlyList<RecGptStage> Stages { get; init; } = [new()];

    public RecGptRecallOptions Recall { get; init; } = new();

    public RecGptEvidenceOptions Evidence { get; init; } = new();

    /// <summary>Reads and checks a recipe.</summary>
    /// <exception cref="ArgumentException">A key is unknown or a value out of range; the message names it.</exception>
    internal static RecGptRecipe Read(JsonElement json)
    {
        RecGptRecipe recipe;
        try
        {
            recipe = json.ValueKind == JsonValueKind.Undefined ? new RecGptRecipe() : json.Deserialize<RecGptRecipe>(Json) ?? new RecGptRecipe();
        }
        catch (JsonException exception)
        {
            throw new ArgumentException($"The recgpt recipe cannot be read: {exception.Message}", exception);
        }

        var m = recipe.Model;
        Check("model.hidden", m.Hidden, 8, 4096);
        Check("model.layers", m.Layers, 1, 64);
        Check("model.heads", m.Heads, 1, 64);
        Check("model.feedForward", m.FeedForward, 8, 16384);
        Check("model.maxLength", m.MaxLength, 2, 4096);
        Check("model.dropout", m.Dropout, 0, 0.99);
        Check("model.embeddingDropout", m.EmbeddingDropout ?? 0, 0, 0.99);
        // Flow attention has no weights to drop.
        Check("model.attentionDropout", m.AttentionDropout, 0, m.Attention == RecGptAttentionKind.Softmax ? 0.99 : 0);
        Check("model.userDropout", m.UserDropout, 0, 1);
        // Prompts at recall are one network's own.
        Check("model.members", m.Members, 1, m.Legacy.RecallPrompts == RecGptRecallPrompts.None ? 8 : 1);
        Check("model.legacy.recallPromptCount", m.Legacy.RecallPromptCount, 1, Math.Min(6, m.MaxLength - 1));
        Check("recall.n", recipe.Recall.N ?? 0, 0, RecGptRecall.MaxSecond);
        Check("evidence.weight", recipe.Evidence.Weight ?? 0, 0, 100);
        recipe.Evidence.Transitions.Checked();
        Check("the number of stages", recipe.Stages.Count, 1, 16);
        foreach (var (i, stage) in recipe.Stages.Index())
        {
            Check($"stages[{i}].itemDropout", stage.ItemDropout, 0, stage.Targets == RecGptTargets.Prefixes ? 0.99 : 0);
            Check($"stages[{i}].learningRate", stage.LearningRate, 1e-9, 1);
            Check($"stages[{i}].beta2", stage.Beta2, 0, 0.999999);
            Check($"stages[{i}].weightDecay", stage.WeightDecay, 0, 1);
            Check($"stages[{i}].epochs", stage.Epochs, 1, 100_000);
            Check($"stages[{i}].patience", stage.Patience, 0, 100_000);
            Check($"stages[{i}].batchSize", stage.BatchSize, 1, 1_000_000);
            Check($"stages[{i}].negatives", stage.Negatives, 1, 1_000_000);
            Check($"stages[{i}].labelSmoothing", stage.LabelSmoothing, 0, stage.Loss == RecGptLossKind.FullSoftmax ? 0.5 : 0);
            if (stage.Loss == RecGptLossKind.SampledSoftmax && !m.TiedHead)
            {
                throw new ArgumentException($"stages[{i}].loss is sampled-softmax, which needs model.tiedHead.");
            }

            Check($"stages[{i}].gradientClip", stage.GradientClip, 0, 1e6);
            Check($"stages[{i}].warmUpSteps", stage.WarmUpSteps, 0, 1_000_000);
            Check($"stages[{i}].averaging", stage.Averaging, 0, 0.999999);
            if (stage.Targets == RecGptTargets.Prefixes && stage.Prompts.Mode != RecGptPromptMode.None)
            {
                throw new ArgumentException($"stages[{i}].targets is prefixes; with prompts it must be all-positions.");
            }

            Check($"stages[{i}].prompts.count", stage.Prompts.Count, 0, Math.Min(6, m.MaxLength - 1));
        }

        return m.Hidden % m.Heads == 0
            ? recipe
            : throw new ArgumentException($"model.hidden is {m.Hidden}; it must be a multiple of model.heads, {m.Heads}.");

        static void Check(string key, double value, double low, double high)
        {
            if (!(value >= low && value <= high))
            {
                throw new ArgumentException($"{key} is {value}; it must be in [{low}, {high}].");
            }
        }
    }
}

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
        TorchRandom.ManualSeed(seed);
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
                $"Only one of the recipe and the parent has {odd}; use the parent's recipe, or start without a parent.");
        }

        foreach (var (name, parameter) in state)
        {
            using var scope = TensorScope.Enter();
            var value = file.Read(name);
            if (value.Dim != parameter.Dim || (!name.EndsWith(UserTable, StringComparison.Ordinal) && value.Size(0) > parameter.Size(0)) || !value.Shape.Skip(1).SequenceEqual(parameter.Shape.Skip(1)))
            {
                throw new ArgumentException(
                    $"The recipe gives {name} the shape [{string.Join(", ", parameter.Shape)}], the parent has [{string.Join(", ", value.Shape)}]; " +
                    "use the parent's recipe, or start without a parent.");
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

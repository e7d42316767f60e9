using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models;

/// <summary>A RecGPT model in training: stage 1, auto-regressive pre-training on whole sequences.</summary>
internal sealed class RecGptTraining : RecGptModel, ITrainableModel
{
    private const string StateFile = "state.safetensors";
    private const string WeightsPrefix = "weights.";
    private const string OptimizerPrefix = "optimizer.";
    private const string StepsName = "steps";

    private readonly RecGptRecipe _recipe;
    private readonly Catalogue _catalogue;
    private readonly IRecGptLoss _loss;
    private readonly Adam _optimizer;
    private readonly int _seed;
    private Random _random;

    // Steps made since the model was created: with the seed it gives the randomness of the next one.
    private long _steps;

    public RecGptTraining(
        ModelVersion version, RecGptRecipe recipe, Vocabulary items, Vocabulary users, RecGpt network, ModelContext context, int seed)
        : base(version, recipe.Model, items, users, network, context)
    {
        _recipe = recipe;
        _catalogue = context.Catalogue;
        _loss = recipe.Loss switch
        {
            RecGptLossKind.FullSoftmax => new FullSoftmaxLoss(recipe.LabelSmoothing),
            _ => new BinaryCrossEntropyLoss(),
        };
        _seed = seed;
        _random = new Random(seed);
        _optimizer = new Adam(network.NamedParameters(), recipe.LearningRate, weightDecay: recipe.WeightDecay);
    }

    /// <inheritdoc/>
    public IReadOnlyList<TrainingStage> Stages { get; } = [new TrainingStage("training", 40, 4, 128)];

    /// <inheritdoc/>
    public void BeginStage(int stage) => ArgumentOutOfRangeException.ThrowIfNotEqual(stage, 0);

    /// <inheritdoc/>
    public void Calibrate(IReadOnlyList<TestCase> validation)
    {
    }

    /// <inheritdoc/>
    public void SaveState(string directory)
    {
        using var scope = TensorScope.Enter();
        SafeTensorsFile.Write(Path.Combine(directory, StateFile), State());
    }

    /// <inheritdoc/>
    public void LoadState(string directory)
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        var state = new Dictionary<string, Tensor>();
        try
        {
            using var file = SafeTensorsFile.Open(Path.Combine(directory, StateFile));
            foreach (var name in file.Names)
            {
                state[name] = file.Read(name);
            }

            Network.LoadStateDict(Under(WeightsPrefix));
            _optimizer.LoadStateDict(Under(OptimizerPrefix));
            _steps = state[StepsName].Item<long>();
        }
        catch (Exception exception) when (exception is SafeTensorsException or ArgumentException or KeyNotFoundException or FileNotFoundException)
        {
            throw new InvalidDataException($"The training state in {directory} cannot be used: {exception.Message}", exception);
        }

        Dictionary<string, Tensor> Under(string prefix) => state
            .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value);
    }

    /// <inheritdoc/>
    public double TrainStep(IReadOnlyList<UserHistory> batch)
    {
        using var scope = TensorScope.Enter();
        // Each step has randomness of its own, so that a resumed run needs no generator's state.
        _random = new Random(unchecked((int)((_seed * 1_000_003L) + _steps)));
        TorchRandom.ManualSeed(_random.NextInt64());
        _steps++;
        var windows = new List<RowWindow>(batch.Count);
        foreach (var history in batch)
        {
            // One more than the model reads: the first is only read, the last only predicted.
            var rows = history.Items.TakeLast(Config.MaxLength + 1).Select(RowOf).Where(row => row != 0).ToArray();
            if (rows.Length >= 2)
            {
                windows.Add(new RowWindow(UserRow(history.UserId), rows, default, 0));
            }
        }

        return windows.Count == 0 ? 0 : Step(windows);
    }

    /// <inheritdoc/>
    public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories)
    {
        using var scope = TensorScope.Enter();
        SafeTensorsFile.Write(
            Path.Combine(directory, RecGptFamily.WeightsFile),
            Network.StateDict().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)));
        Items.Write(Path.Combine(directory, RecGptFamily.ItemsFile));
        Users.Write(Path.Combine(directory, RecGptFamily.UsersFile));
        return new CheckpointContent(
            JsonSerializer.SerializeToElement(_recipe, RecGptRecipe.Json),
            [RecGptFamily.WeightsFile, RecGptFamily.ItemsFile, RecGptFamily.UsersFile],
            RecGptFamily.Golden(this, [.. goldenHistories.Select(h => (h.UserId, h.Items.Select(n => _catalogue[n].Id).ToArray()))], Items, Users));
    }

    private IEnumerable<(string Name, Tensor Tensor)> State() =>
    [
        .. Network.StateDict().Select(pair => (WeightsPrefix + pair.Key, pair.Value)),
        .. _optimizer.StateDict().Select(pair => (OptimizerPrefix + pair.Key, pair.Value)),
        (StepsName, Tensor.Full([], _steps, ScalarType.Int64)),
    ];

    private double Step(List<RowWindow> windows)
    {
        var batch = PackedSequences.Of(windows, Config.MaxLength, _random.NextInt64(), out var targets);
        var hidden = Network.ForwardPacked(batch, _random, out var embedded);                     // [N, d]
        var loss = _loss.Backward(hidden, targets, Network.ItemTable, _random);
        if (!double.IsFinite(loss))
        {
            throw new ModelFailedException($"{Version}: the training loss is {loss}; lower learningRate (now {_recipe.LearningRate}).");
        }

        Network.BackwardEmbeddings(batch, embedded);
        _optimizer.Step();
        _optimizer.ZeroGrad();
        return loss;
    }

    private int RowOf(int number) => Items.RowOf(_catalogue[number].Id);

    private int UserRow(string userId) => _random.NextDouble() < Config.UserDropout ? 0 : Users.RowOf(userId);
}

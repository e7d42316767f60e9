using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>A GenRec model in training: masked items first, then the next item, with one loss.</summary>
internal sealed class GenRecTraining : GenRecModel, ITrainableModel
{
    private const string StateFile = "state.safetensors";
    private const string WeightsPrefix = "weights.";
    private const string OptimizerPrefix = "optimizer.";
    private const string StepsName = "steps";
    private const string StageStepsName = "stage.steps";
    private const string StageName = "stage";

    private readonly GenRecRecipe _recipe;
    private readonly GenRecExamples _examples;
    private readonly Catalogue _catalogue;
    private readonly int _seed;
    private int _stage;
    private AdamW _optimizer;

    // Steps of the running stage.
    private long _stageSteps;

    // Steps made since the model was created: with the seed it gives the randomness of the next one.
    private long _steps;

    public GenRecTraining(
        GenRecRecipe recipe, GenRecWords words, Vocabulary items, Vocabulary users, GenRecNetwork network, ModelContext context, TimeProvider time, int seed)
        : base(new ModelVersion(GenRecFamily.FamilyName, 0), recipe, words, items, users, network, context, time)
    {
        (_recipe, _catalogue, _seed) = (recipe, context.Catalogue, seed);
        _examples = new GenRecExamples(words, Texts, recipe.Model.MaxItems);
        Stages = [.. recipe.Stages.Zip(recipe.StageNames(), (stage, name) => new TrainingStage(name, stage.Epochs, stage.Patience, stage.BatchSize))];
        _optimizer = Begin(0);
    }

    /// <inheritdoc/>
    public IReadOnlyList<TrainingStage> Stages { get; }

    private GenRecStage Stage => _recipe.Stages[_stage];

    /// <inheritdoc/>
    public void BeginStage(int stage)
    {
        var begun = Begin(stage);
        _optimizer.Dispose();
        (_stage, _stageSteps, _optimizer) = (stage, 0, begun);
    }

    /// <inheritdoc/>
    /// <remarks>Chooses the weight of the evidence, unless the recipe fixes it.</remarks>
    public void Calibrate(IReadOnlyList<TestCase> validation)
    {
        if (_recipe.Evidence.Weight is null)
        {
            var ndcg = NdcgByEvidence(validation);
            EvidenceWeight = RecGptEvidence.Weights[Array.IndexOf(ndcg, ndcg.Max())];
        }
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
        try
        {
            using var file = SafeTensorsFile.Open(Path.Combine(directory, StateFile));
            var state = file.Names.ToDictionary(name => name, file.Read);
            BeginStage((int)state[StageName].Item<long>());
            Network.LoadStateDict(Under(state, WeightsPrefix));
            _optimizer.LoadStateDict(Under(state, OptimizerPrefix));
            _steps = state[StepsName].Item<long>();
            _stageSteps = state[StageStepsName].Item<long>();
        }
        catch (Exception exception) when (exception is SafeTensorsException or ArgumentException or IndexOutOfRangeException or KeyNotFoundException or FileNotFoundException or DirectoryNotFoundException or TorchException)
        {
            throw new InvalidDataException($"The training state in {directory} cannot be used: {exception.Message}", exception);
        }

        static Dictionary<string, Tensor> Under(Dictionary<string, Tensor> state, string prefix) => state
            .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value);
    }

    /// <inheritdoc/>
    public double TrainStep(IReadOnlyList<UserHistory> batch)
    {
        using var scope = TensorScope.Enter();
        // Each step has randomness of its own, so that a resumed run needs no generator's state.
        var random = new Random(unchecked((int)((_seed * 1_000_003L) + _steps)));
        using var torchRandom = TorchRandom.Enter(random.NextInt64());
        _steps++;
        GenRecExample[] examples = [.. batch.SelectMany(history => Examples(history, random)).OrderBy(example => example.Text.Tokens.Length)];
        if (examples.Length == 0)
        {
            return 0;
        }

        var loss = Backward(examples);
        if (Stage.GradientClip > 0)
        {
            GradientClip.ByNorm(Network.Parameters(), Stage.GradientClip);
        }

        _optimizer.LearningRate = Stage.LearningRate * Stage.Decay.Factor(_stageSteps++, Stage.WarmUpSteps, PlannedSteps());
        _optimizer.Step();
        _optimizer.ZeroGrad();
        return loss;
    }

    /// <inheritdoc/>
    public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories)
    {
        var recipe = _recipe with { Text = Words.Options, Evidence = _recipe.Evidence with { Weight = Math.Round(EvidenceWeight, 4) } };
        return new CheckpointContent(
            JsonSerializer.SerializeToElement(recipe, RecipeJson.Options),
            GenRecFiles.Write(directory, Network, Words, Items, Users),
            GoldenInputs.Write(
                [.. goldenHistories.Select(h => (h.UserId, (IReadOnlyList<string>)[.. h.Items.Select(n => _catalogue[n].Id)]))], Items, Rank));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _optimizer.Dispose();
        base.Dispose();
    }

    private AdamW Begin(int stage) => new(
        Network.NamedParameters(), _recipe.Stages[stage].LearningRate, weightDecay: _recipe.Stages[stage].WeightDecay);

    private IEnumerable<(string Name, Tensor Tensor)> State() =>
    [
        .. Network.StateDict().Select(pair => (WeightsPrefix + pair.Key, pair.Value)),
        .. _optimizer.StateDict().Select(pair => (OptimizerPrefix + pair.Key, pair.Value)),
        (StepsName, Tensor.Full([], _steps, ScalarType.Int64)),
        (StageStepsName, Tensor.Full([], _stageSteps, ScalarType.Int64)),
        (StageName, Tensor.Full([], _stage, ScalarType.Int64)),
    ];

    private IEnumerable<GenRecExample> Examples(UserHistory history, Random random)
    {
        int[] rows = [.. history.Items.Select(number => Items.RowOf(_catalogue[number].Id)).Where(row => row != 0)];
        var user = random.NextDouble() < _recipe.Model.UserDropout ? 0 : Users.RowOf(history.UserId);
        return _examples.Of(Stage, user, history.UserId, rows, random);
    }

    /// <summary>Adds the gradients of the mean loss of a label, part by part; returns the loss.</summary>
    private double Backward(GenRecExample[] examples)
    {
        var (loss, labels) = (0.0, examples.Sum(example => example.Target.Length));
        Network.Train(true);
        try
        {
            foreach (var range in GenRecBatch.Parts([.. examples.Select(example => example.Text.Tokens.Length)], Stage.PartTokens))
            {
                using var scope = TensorScope.Enter();
                var part = examples[range];
                var share = part.Sum(example => example.Target.Length) / (double)labels;
                var batch = GenRecBatch.Of([.. part.Select(example => example.Text)], Words.Pad);
                var mean = Network.Loss(batch, GenRecBatch.Labels([.. part.Select(example => example.Target)]), Stage.LabelSmoothing) * share;
                mean.Backward();
                loss += mean.Item<float>();
            }
        }
        finally
        {
            Network.Train(false);
        }

        return double.IsFinite(loss)
            ? loss
            : throw new ModelFailedException($"{Version}: the training loss is {loss}; lower learningRate (now {Stage.LearningRate}).");
    }

    // Steps of the stage when it makes all its epochs.
    private double PlannedSteps() => (double)Stage.Epochs * ((Users.Rows - 2 + Stage.BatchSize) / Stage.BatchSize);
}

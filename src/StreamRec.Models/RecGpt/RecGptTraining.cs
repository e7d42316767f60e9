using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>A RecGPT model in training, stage by stage: auto-regressive on whole sequences, with prompts where the stage has them.</summary>
internal sealed class RecGptTraining : RecGptModel, ITrainableModel
{
    private const string StateFile = "state.safetensors";
    private const string WeightsPrefix = "weights.";
    private const string OptimizerPrefix = "optimizer.";
    private const string AveragePrefix = "average.";
    private const string StepsName = "steps";
    private const string StageStepsName = "stage.steps";
    private const string StageName = "stage";

    private readonly RecGptRecipe _recipe;
    private readonly Catalogue _catalogue;
    private readonly int _seed;
    private Random _random;
    private int _stage;
    private IRecGptLoss[] _losses;
    private Adam _optimizer;
    private WeightAverage? _average;

    // Steps of the running stage.
    private long _stageSteps;

    // Steps made since the model was created: with the seed it gives the randomness of the next one.
    private long _steps;

    public RecGptTraining(
        ModelVersion version, RecGptRecipe recipe, Vocabulary items, Vocabulary users, RecGptEnsemble ensemble, ModelContext context, int seed)
        : base(version, recipe, items, users, ensemble, context)
    {
        _recipe = recipe;
        _catalogue = context.Catalogue;
        _seed = seed;
        _random = new Random(seed);
        Stages = [.. recipe.Stages.Select((stage, i) => new TrainingStage(
            stage.Name ?? (recipe.Stages.Count == 1 ? "training" : $"stage {i + 1}"), stage.Epochs, stage.Patience, stage.BatchSize))];
        (_losses, _optimizer, _average) = Begin(0);
    }

    /// <inheritdoc/>
    public IReadOnlyList<TrainingStage> Stages { get; }

    private RecGptStage Stage => _recipe.Stages[_stage];

    /// <inheritdoc/>
    public void BeginStage(int stage)
    {
        // A stage begins with the weights that the one before would be saved with.
        Settle();
        var begun = Begin(stage);
        _optimizer.Dispose();
        _average?.Dispose();
        (_stage, _stageSteps, (_losses, _optimizer, _average)) = (stage, 0, begun);
    }

    /// <inheritdoc/>
    /// <remarks>Chooses the weight of the evidence, then the length of the second recall step, unless the recipe fixes them.</remarks>
    public void Calibrate(IReadOnlyList<TestCase> validation)
    {
        if (_recipe.Evidence.Weight is null)
        {
            EvidenceWeight = 0;
            var ndcg = NdcgByEvidence(validation);
            EvidenceWeight = RecGptEvidence.Weights[Array.IndexOf(ndcg, ndcg.Max())];
        }

        if (_recipe.Recall.N is null)
        {
            SecondStep = RecGptRecall.Best(PlacesByN(validation));
        }
    }

    /// <inheritdoc/>
    public void SaveState(string directory)
    {
        using var scope = TensorScope.Enter();
        _optimizer.CatchUp();
        _average?.Leave();
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

            BeginStage((int)state[StageName].Item<long>());
            Ensemble.LoadStateDict(Under(WeightsPrefix));
            _optimizer.LoadStateDict(Under(OptimizerPrefix));
            _average?.LoadStateDict(Under(AveragePrefix));
            _steps = state[StepsName].Item<long>();
            _stageSteps = state[StageStepsName].Item<long>();
        }
        catch (Exception exception) when (exception is SafeTensorsException or ArgumentException or IndexOutOfRangeException or KeyNotFoundException or FileNotFoundException or DirectoryNotFoundException or TorchException)
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
        using var torchRandom = TorchRandom.Enter(_random.NextInt64());
        _steps++;
        TrainingWindow[] windows = [.. batch.SelectMany(Windows)];
        if (windows.Length == 0)
        {
            return 0;
        }

        _average?.Leave();
        var loss = Ensemble.Members.Zip(_losses, (member, loss) => Backward(member, loss, windows)).Average();
        _optimizer.LearningRate = Stage.LearningRate * Stage.Decay.Factor(_stageSteps++, Stage.WarmUpSteps, PlannedSteps());
        _optimizer.Step();
        _optimizer.ZeroGrad();
        _average?.Update();
        return loss;
    }

    /// <inheritdoc/>
    public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories)
    {
        using var scope = TensorScope.Enter();
        Settle();
        SafeTensorsFile.Write(
            Path.Combine(directory, RecGptFamily.WeightsFile),
            Ensemble.StateDict().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)));
        Items.Write(Path.Combine(directory, RecGptFamily.ItemsFile));
        Users.Write(Path.Combine(directory, RecGptFamily.UsersFile));
        return new CheckpointContent(
            JsonSerializer.SerializeToElement(
                _recipe with
                {
                    Recall = new RecGptRecallOptions { N = SecondStep },
                    Evidence = _recipe.Evidence with { Weight = Math.Round(EvidenceWeight, 4) },
                },
                RecipeJson.Options),
            [RecGptFamily.WeightsFile, RecGptFamily.ItemsFile, RecGptFamily.UsersFile],
            GoldenInputs.Write(
                [.. goldenHistories.Select(h => (h.UserId, (IReadOnlyList<string>)[.. h.Items.Select(n => _catalogue[n].Id)]))], Items, RecGptFamily.Rank(this, Items, Users)));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _optimizer.Dispose();
        _average?.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override void Settle()
    {
        _optimizer.CatchUp();
        _average?.Enter();
    }

    private IEnumerable<(string Name, Tensor Tensor)> State() =>
    [
        .. Ensemble.StateDict().Select(pair => (WeightsPrefix + pair.Key, pair.Value)),
        .. _optimizer.StateDict().Select(pair => (OptimizerPrefix + pair.Key, pair.Value)),
        .. (_average?.StateDict() ?? new Dictionary<string, Tensor>()).Select(pair => (AveragePrefix + pair.Key, pair.Value)),
        (StepsName, Tensor.Full([], _steps, ScalarType.Int64)),
        (StageStepsName, Tensor.Full([], _stageSteps, ScalarType.Int64)),
        (StageName, Tensor.Full([], _stage, ScalarType.Int64)),
    ];

    private (IRecGptLoss[] Losses, Adam Optimizer, WeightAverage? Average) Begin(int index)
    {
        var stage = _recipe.Stages[index];
        IRecGptLoss[] losses = [.. Ensemble.Members.Select<RecGptNetwork, IRecGptLoss>(member => stage.Loss switch
        {
            RecGptLossKind.BinaryCrossEntropy => new BinaryCrossEntropyLoss(),
            RecGptLossKind.SampledSoftmax => new SampledSoftmaxLoss(stage.Negatives),
            _ when member.Head is { } head => new SeparateHeadLoss(head, stage.LabelSmoothing),
            _ => new FullSoftmaxLoss(stage.LabelSmoothing),
        })];
        var optimizer = new Adam(Ensemble.NamedParameters(), stage.LearningRate, beta2: stage.Beta2, weightDecay: stage.WeightDecay);
        // A batch reads few users. A mean of the weights needs every row after every step.
        foreach (var member in stage.Averaging == 0 ? Ensemble.Members : [])
        {
            if (member is { Packs: true, UserTable: { } users })
            {
                optimizer.StepByRows(users);
            }
        }

        return (losses, optimizer, stage.Averaging == 0 ? null : new WeightAverage(Ensemble.NamedParameters(), stage.Averaging));
    }

    // What a step learns of a history; items that the model does not know are skipped.
    private TrainingWindow[] Windows(UserHistory history)
    {
        var (first, last) = Targets(history.Items.Length);
        var prefixes = Stage.Targets == RecGptTargets.Prefixes;
        var rows = new List<int>();
        var places = new List<int>();
        for (var place = prefixes ? Math.Max(0, first - Config.MaxLength) : first - 1; place <= last; place++)
        {
            if (RowOf(history.Items[place]) is not 0 and var row)
            {
                rows.Add(row);
                places.Add(place);
            }
        }

        if (rows.Count < 2)
        {
            return [];
        }

        var user = UserRow(history.UserId);
        var shown = Shown(history, places);
        if (!prefixes)
        {
            return [new TrainingWindow(user, [.. rows[..^1]], [.. rows[1..]], null, shown)];
        }

        return [.. Enumerable.Range(1, rows.Count - 1).Where(target => places[target] >= first).Select(target =>
        {
            var slots = Math.Max(0, target - Config.MaxLength)..target;
            int[] items = [.. rows[slots]];
            return Thinned(new TrainingWindow(user, items, [.. new int[items.Length - 1], rows[target]], null, shown?[slots]));
        })];
    }

    // First and last item to be predicted. Of a history that is longer than the model reads it is one piece, so that a step's memory is
    // bounded: half of the time the newest, which nothing has taught yet, else any, the more likely the longer it is.
    private (int First, int Last) Targets(int length)
    {
        var last = length - 1;
        if (last > Config.MaxLength && _random.Next(2) == 0)
        {
            last -= _random.Next(last) / Config.MaxLength * Config.MaxLength;
        }

        return (Math.Max(1, last - Config.MaxLength + 1), last);
    }

    // The window without a random share of its items; one stays.
    private TrainingWindow Thinned(TrainingWindow window)
    {
        if (Stage.ItemDropout == 0 || window.Items.Length == 1)
        {
            return window;
        }

        var kept = Enumerable.Range(0, window.Items.Length).Where(_ => _random.NextDouble() >= Stage.ItemDropout).ToArray();
        if (kept.Length == 0)
        {
            kept = [_random.Next(window.Items.Length)];
        }

        // What was shown was shown before the target, whichever items are left.
        return window with
        {
            Items = [.. kept.Select(slot => window.Items[slot])],
            Targets = [.. new int[kept.Length - 1], window.Targets[^1]],
            Shown = window.Shown is { } shown ? [.. Enumerable.Repeat(Array.Empty<int>(), kept.Length - 1), shown[^1]] : null,
        };
    }

    // What was shown between the items at these places and never taken, for each place but the last; null when there is nothing.
    private int[][]? Shown(UserHistory history, List<int> places)
    {
        if (history.Shown.Count == 0)
        {
            return null;
        }

        var taken = history.Items.ToHashSet();
        var shown = history.Shown
            .Where(impression => !taken.Contains(impression.Item))
            .Select(impression => (impression.After, Row: RowOf(impression.Item)))
            .Where(impression => impression.Row != 0)
            .ToArray();
        return [.. places.Zip(places.Skip(1), (from, to) =>
            shown.Where(impression => impression.After > from && impression.After <= to).Select(impression => impression.Row).ToArray())];
    }

    /// <summary>Adds the gradients of a member's loss on windows that it sets its own prompts into; returns the loss.</summary>
    private double Backward(RecGptNetwork member, IRecGptLoss objective, TrainingWindow[] windows)
    {
        using var scope = TensorScope.Enter();
        if (member is { Packs: true, UserTable: { } users })
        {
            _optimizer.Prepare(users, [.. windows.Select(window => (long)window.User)]);
        }

        windows = RecGptPrompts.Insert(member, Config, windows, Stage.Prompts);
        member.Train(true);
        double loss;
        try
        {
            loss = member.Packs ? BackwardPacked(member, objective, windows) : BackwardPadded(member, objective, windows);
        }
        finally
        {
            member.Train(false);
        }

        if (!double.IsFinite(loss))
        {
            throw new ModelFailedException($"{Version}: the training loss is {loss}; lower learningRate (now {Stage.LearningRate}).");
        }

        if (Config.Legacy.PaddedWindows)
        {
            member.FreezePadding();
        }

        if (Stage.GradientClip > 0)
        {
            GradientClip.ByNorm(member.Parameters(), Stage.GradientClip);
        }

        return loss;
    }

    private double BackwardPacked(RecGptNetwork member, IRecGptLoss objective, TrainingWindow[] windows)
    {
        var batch = PackedSequences.Of(windows, Config.MaxLength, member.UserTable is not null, _random.NextInt64());
        var hidden = member.ForwardPacked(batch, _random, out var embedded);                     // [M, d]
        var loss = objective.Backward(hidden, batch.Targets, member.ItemTable, _random, Refused(windows));
        member.BackwardEmbeddings(batch, embedded);
        return loss;
    }

    private double BackwardPadded(RecGptNetwork member, IRecGptLoss objective, TrainingWindow[] windows)
    {
        var length = Config.Legacy.PaddedWindows ? Config.MaxLength : windows.Max(w => w.Items.Length);
        var items = SlotBatch.Pad([.. windows.Select(w => w.Items)], length);
        var users = Tensor.From<long>([.. windows.Select(w => (long)w.User)]);
        var segments = windows.All(w => w.Segments is null)
            ? null
            : SlotBatch.Pad([.. windows.Select(w => w.Segments ?? new int[w.Items.Length])], length);
        var targets = SlotBatch.Pad([.. windows.Select(w => w.Targets)], length);
        var predicted = targets.Ne(0);
        var hidden = member.Forward(items, users, segments)[predicted];                          // [N, d]
        return objective.Backward(hidden, targets[predicted], member.ItemTable, _random, Refused(windows));
    }

    // Steps of the stage when it makes all its epochs.
    private double PlannedSteps() => (double)Stage.Epochs * ((Users.Rows - 2 + Stage.BatchSize) / Stage.BatchSize);

    // For each predicted position the newest item that was shown there and not taken, 0 = none; empty when there are none at all.
    private static int[] Refused(TrainingWindow[] windows) =>
        windows.All(w => w.Shown is null)
            ? []
            : [.. windows.SelectMany(w => w.Targets.Index().Where(t => t.Item != 0).Select(t => w.Shown?[t.Index].LastOrDefault() ?? 0))];

    private int RowOf(int number) => Items.RowOf(_catalogue[number].Id);

    private int UserRow(string userId) => _random.NextDouble() < Config.UserDropout ? 0 : Users.RowOf(userId);
}

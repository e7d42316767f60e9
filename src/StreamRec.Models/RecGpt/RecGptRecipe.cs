using System.Text.Json;

namespace StreamRec.Models.RecGpt;

/// <summary>Which loss a recipe trains with.</summary>
public enum RecGptLossKind
{
    /// <summary>Softmax over all items: the strongest on catalogues that fit in memory.</summary>
    FullSoftmax,

    /// <summary>Softmax over the target and a uniform sample of the other items, for speed.</summary>
    SampledSoftmax,

    /// <summary>The paper's stage 1: one negative a position, what was shown and not taken before a random one.</summary>
    BinaryCrossEntropy,
}

/// <summary>Which items of a history are predicted from what.</summary>
public enum RecGptTargets
{
    /// <summary>Every item at the slot before it, a history (or a piece of a long one) in one window: one pass of the decoder for all of them.</summary>
    AllPositions,

    /// <summary>
    /// Every item at the end of a window of its own, as when lists are made: several times the work, and better, because the slots
    /// before the newest need not predict anything themselves.
    /// </summary>
    Prefixes,
}

/// <summary>One stage of a recipe.</summary>
public sealed record RecGptStage
{
    /// <summary>As people see it; no two stages have the same. Null: <c>training</c>, or <c>stage 2</c> where there are several.</summary>
    public string? Name { get; init; }

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
    /// Adam's memory of squared gradients, in [0, 1). Shorter than usual, 0.99, keeps the steps of rare items large and noisy: together
    /// with <see cref="Averaging"/> the strongest regulariser on sparse data.
    /// </summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Adam's L2 term, in [0, 1].</summary>
    public double WeightDecay { get; init; }

    /// <summary>Passes over the data at the most, 1 to 100,000; a pass learns one piece of a history that is longer than the model reads.</summary>
    public int Epochs { get; init; } = 40;

    /// <summary>Passes without a better validation NDCG@10 before the stage ends, 0 to 100,000; 0 = all passes are made and the last weights kept.</summary>
    public int Patience { get; init; } = 4;

    /// <summary>Histories in one step, 1 to 1,000,000.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Items that the sampled softmax draws in each step, 1 to 1,000,000.</summary>
    public int Negatives { get; init; } = 2048;

    /// <summary>Share of a target that the full softmax spreads over all items, in [0, 0.5].</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Largest norm of all gradients of a network together, 0 to 1e6; 0 = no bound.</summary>
    public double GradientClip { get; init; }

    /// <summary>Steps over which the step size grows from 0, 0 to 1,000,000.</summary>
    public int WarmUpSteps { get; init; }

    /// <summary>How the step size falls after that, to 0 at the end of <see cref="Epochs"/> as the recipe has them.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.None;

    /// <summary>Weight of the past in the running mean of the weights that the model answers with and is saved with, in [0, 1); 0 = no mean.</summary>
    public double Averaging { get; init; }

    public RecGptPromptOptions Prompts { get; init; } = new();
}

/// <summary>A RecGPT recipe: <c>config/models/recgpt.json</c>.</summary>
public sealed record RecGptRecipe
{
    public RecGptConfig Model { get; init; } = new();

    /// <summary>Stages of training in order, at least one; continuous training goes on with the last.</summary>
    public IReadOnlyList<RecGptStage> Stages { get; init; } = [new()];

    public RecGptRecallOptions Recall { get; init; } = new();

    public RecGptEvidenceOptions Evidence { get; init; } = new();

    /// <summary>Reads and checks a recipe.</summary>
    /// <exception cref="ArgumentException">A key is unknown or a value out of range; the message names it.</exception>
    internal static RecGptRecipe Read(JsonElement json)
    {
        var recipe = RecipeJson.Read<RecGptRecipe>(json, RecGptFamily.FamilyName);
        if (recipe.Stages.Contains(null!))
        {
            throw new ArgumentException("The recgpt recipe cannot be read: an element of stages is null.");
        }

        var m = recipe.Model;
        Check("model.hidden", m.Hidden, 8, 4096);
        Check("model.layers", m.Layers, 1, 64);
        Check("model.heads", m.Heads, 1, 64);
        Check("model.feedForward", m.FeedForward, 8, 16384);
        Check("model.maxLength", m.MaxLength, 2, 4096);
        Check("model.dropout", m.Dropout, 0, 0.99);
        Check("model.embeddingDropout", m.EmbeddingDropout ?? 0, 0, 0.99);
        Check("model.attentionDropout", m.AttentionDropout, 0, 0.99);
        Needs("model.attentionDropout", m.AttentionDropout, 0, m.Attention == RecGptAttentionKind.Softmax, "model.attention softmax: flow attention has no weights to drop");
        Check("model.userDropout", m.UserDropout, 0, 1);
        Check("model.members", m.Members, 1, 8);
        Needs("model.members", m.Members, 1, m.Legacy.RecallPrompts == RecGptRecallPrompts.None, "model.legacy.recallPrompts none: such prompts are one network's own");
        Check("model.legacy.recallPromptCount", m.Legacy.RecallPromptCount, 1, Math.Min(6, m.MaxLength - 1));
        Check("recall.n", recipe.Recall.N ?? 0, 0, RecGptRecall.MaxSecond);
        Check("evidence.weight", recipe.Evidence.Weight ?? 0, 0, 100);
        recipe.Evidence.Transitions.Checked();
        Check("the number of stages", recipe.Stages.Count, 1, 16);
        if (recipe.Stages.Select(stage => stage.Name).OfType<string>().GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            throw new ArgumentException($"Two stages have the name '{twice.Key}'; give each its own.");
        }

        foreach (var (i, stage) in recipe.Stages.Index())
        {
            Check($"stages[{i}].itemDropout", stage.ItemDropout, 0, 0.99);
            Needs($"stages[{i}].itemDropout", stage.ItemDropout, 0, stage.Targets == RecGptTargets.Prefixes, $"stages[{i}].targets prefixes");
            Check($"stages[{i}].learningRate", stage.LearningRate, 1e-9, 1);
            Check($"stages[{i}].beta2", stage.Beta2, 0, 0.999999);
            Check($"stages[{i}].weightDecay", stage.WeightDecay, 0, 1);
            Check($"stages[{i}].epochs", stage.Epochs, 1, 100_000);
            Check($"stages[{i}].patience", stage.Patience, 0, 100_000);
            Check($"stages[{i}].batchSize", stage.BatchSize, 1, 1_000_000);
            Check($"stages[{i}].negatives", stage.Negatives, 1, 1_000_000);
            Check($"stages[{i}].labelSmoothing", stage.LabelSmoothing, 0, 0.5);
            Needs($"stages[{i}].labelSmoothing", stage.LabelSmoothing, 0, stage.Loss == RecGptLossKind.FullSoftmax, $"stages[{i}].loss full-softmax");
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

        static void Needs(string key, double value, double without, bool met, string what)
        {
            if (value != without && !met)
            {
                throw new ArgumentException($"{key} is {value}, which needs {what}; without that it must be {without}.");
            }
        }

        static void Check(string key, double value, double low, double high)
        {
            if (!(value >= low && value <= high))
            {
                throw new ArgumentException($"{key} is {value}; it must be in [{low}, {high}].");
            }
        }
    }
}

using System.Text.Json;
using StreamRec.Models.RecGpt;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>What the text of a sequence says of an item.</summary>
public enum GenRecItemText
{
    /// <summary>Its number, in two tokens.</summary>
    ItemNumbers,

    /// <summary>Its title; an item without one is spelled as its id.</summary>
    Titles,

    /// <summary>Number and title are read, the number is written.</summary>
    Both,
}

/// <summary>What is masked in a text, and so has to be written.</summary>
public enum GenRecTask
{
    /// <summary>An item within the sequence: the last one or any.</summary>
    MaskedItem,

    /// <summary>The item after the sequence, as when lists are made.</summary>
    NextItem,
}

/// <summary>Shapes of a network that is trained from nothing; a backbone brings its own.</summary>
public sealed record GenRecModelOptions
{
    /// <summary>Width d of all vectors, 8 to 4096, a multiple of <see cref="Heads"/>.</summary>
    public int Hidden { get; init; } = 256;

    /// <summary>1 to 64.</summary>
    public int EncoderLayers { get; init; } = 2;

    /// <summary>1 to 64.</summary>
    public int DecoderLayers { get; init; } = 2;

    /// <summary>Heads of each attention, 1 to 64.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>Width of the feed-forward layers, 8 to 16384.</summary>
    public int FeedForward { get; init; } = 1024;

    /// <summary>Dropout of embeddings and of what a layer adds, in [0, 0.99].</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Dropout of attention weights, in [0, 0.99].</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Dropout inside the feed-forward layers, in [0, 0.99].</summary>
    public double ActivationDropout { get; init; }

    /// <summary>Newest items of a user that are read, 2 to 512; with a backbone fewer where its positions do not suffice.</summary>
    public int MaxItems { get; init; } = 20;

    /// <summary>Factor of the user's and the items' embeddings beside those of the tokens, in [0, 100]; null = 1/sqrt(d), as in the authors' code.</summary>
    public double? IdScale { get; init; }

    /// <summary>Share of training texts without the user's word, in [0, 1]: so are the texts of users whom training has not seen.</summary>
    public double UserDropout { get; init; } = 0.1;
}

/// <summary>How a sequence becomes text.</summary>
public sealed record GenRecTextOptions
{
    public GenRecItemText Items { get; init; } = GenRecItemText.ItemNumbers;

    /// <summary>Whether a text begins with a word for the user.</summary>
    public bool User { get; init; } = true;

    /// <summary>Tokens of a title that are read, 1 to 128; the rest is left out.</summary>
    public int TitleTokens { get; init; } = 16;

    /// <summary>Tokens of the vocabulary that titles make when no backbone brings one, 261 to 200,000.</summary>
    public int Vocabulary { get; init; } = 4096;

    /// <summary>
    /// Values of the second of an item's two tokens, 2 to 65,536; null = the square root of the number of items when the first model is made.
    /// Later items get further first tokens, so no item's ever change.
    /// </summary>
    public int? ItemBase { get; init; }

    /// <summary>Values of each of a user's two tokens, 2 to 65,536; null = the square root of the number of users when the first model is made.</summary>
    public int? UserBase { get; init; }
}

/// <summary>One stage of a recipe.</summary>
public sealed record GenRecStage
{
    /// <summary>As people see it; no two stages have the same. Null: <c>pre-training</c> or <c>fine-tuning</c>, by the task.</summary>
    public string? Name { get; init; }

    public GenRecTask Task { get; init; } = GenRecTask.NextItem;

    /// <summary>How often the masked item is the last one rather than any, in [0, 1].</summary>
    public double LastShare { get; init; } = 0.3;

    /// <summary>Whether the user's word may be masked like an item, as in the authors' code.</summary>
    public bool MaskUser { get; init; }

    /// <summary>Texts that a history makes in one pass, each with another mask, 1 to 1000; a short history makes fewer.</summary>
    public int Texts { get; init; } = 1;

    /// <summary>AdamW's step size, in [1e-9, 1].</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>AdamW's pull towards 0, in [0, 1].</summary>
    public double WeightDecay { get; init; } = 1e-5;

    /// <summary>Passes over the data at the most, 1 to 100,000.</summary>
    public int Epochs { get; init; } = 40;

    /// <summary>Passes without a better validation NDCG@10 before the stage ends, 0 to 100,000; 0 = all passes are made and the last weights kept.</summary>
    public int Patience { get; init; } = 4;

    /// <summary>Histories in one step, 1 to 1,000,000.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Tokens, padding included, that are computed at once, 64 to 10,000,000: a step's gradients are summed over such parts.</summary>
    public int PartTokens { get; init; } = 4096;

    /// <summary>Share of a target that is spread over all tokens, in [0, 0.5].</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Largest norm of all gradients together, 0 to 1e6; 0 = no bound.</summary>
    public double GradientClip { get; init; } = 5;

    /// <summary>Steps over which the step size grows from 0, 0 to 1,000,000.</summary>
    public int WarmUpSteps { get; init; } = 200;

    /// <summary>How the step size falls after that, to 0 at the end of <see cref="Epochs"/>.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Linear;
}

/// <summary>How lists are made.</summary>
public sealed record GenRecDecodingOptions
{
    /// <summary>Beginnings of items that are followed at once, 1 to 1000; as many as the list is long where that is more.</summary>
    public int Beams { get; init; } = 20;

    /// <summary>Tokens, padding included, that are read at once, 64 to 10,000,000.</summary>
    public int PartTokens { get; init; } = 4096;
}

/// <summary>A GenRec recipe: <c>config/models/genrec-seq2seq.json</c>.</summary>
public sealed record GenRecRecipe
{
    /// <summary>Whose recipe this is: always <c>genrec-seq2seq</c>.</summary>
    public string Family { get; init; } = GenRecFamily.FamilyName;

    public GenRecModelOptions Model { get; init; } = new();

    public GenRecTextOptions Text { get; init; } = new();

    /// <summary>
    /// A directory with a BART model and its tokenizer as Hugging Face writes them, to begin with; null = from nothing. A model that goes on
    /// from a parent has the parent's.
    /// </summary>
    public string? Backbone { get; init; }

    /// <summary>Stages of training in order, at least one; continuous training goes on with the last.</summary>
    public IReadOnlyList<GenRecStage> Stages { get; init; } = [new() { Task = GenRecTask.MaskedItem, Epochs = 20 }, new()];

    public GenRecDecodingOptions Decoding { get; init; } = new();

    public RecGptEvidenceOptions Evidence { get; init; } = new();

    /// <summary>Reads and checks a recipe.</summary>
    /// <exception cref="ArgumentException">A key is unknown or a value out of range; the message names it.</exception>
    internal static GenRecRecipe Read(JsonElement json)
    {
        var recipe = RecipeJson.Read<GenRecRecipe>(json, GenRecFamily.FamilyName);
        if (recipe.Stages.Contains(null!))
        {
            throw new ArgumentException("The genrec-seq2seq recipe cannot be read: an element of stages is null.");
        }

        if (recipe.Family != GenRecFamily.FamilyName)
        {
            throw new ArgumentException($"family is '{recipe.Family}'; in a recipe of this family it must be {GenRecFamily.FamilyName}.");
        }

        CheckModel(recipe.Model);
        CheckText(recipe);
        Check("decoding.beams", recipe.Decoding.Beams, 1, 1000);
        Check("decoding.partTokens", recipe.Decoding.PartTokens, 64, 10_000_000);
        Check("evidence.weight", recipe.Evidence.Weight ?? 0, 0, 100);
        recipe.Evidence.Transitions.Checked();
        Check("the number of stages", recipe.Stages.Count, 1, 16);
        foreach (var (i, stage) in recipe.Stages.Index())
        {
            CheckStage($"stages[{i}]", stage, recipe.Text);
        }

        return recipe.StageNames().GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice
            ? throw new ArgumentException($"Two stages have the name '{twice.Key}'; give each its own.")
            : recipe;
    }

    /// <summary>What each stage is called.</summary>
    internal IEnumerable<string> StageNames() =>
        Stages.Select(stage => stage.Name ?? (stage.Task == GenRecTask.MaskedItem ? "pre-training" : "fine-tuning"));

    private static void CheckModel(GenRecModelOptions m)
    {
        Check("model.hidden", m.Hidden, 8, 4096);
        Check("model.encoderLayers", m.EncoderLayers, 1, 64);
        Check("model.decoderLayers", m.DecoderLayers, 1, 64);
        Check("model.heads", m.Heads, 1, 64);
        Check("model.feedForward", m.FeedForward, 8, 16384);
        Check("model.dropout", m.Dropout, 0, 0.99);
        Check("model.attentionDropout", m.AttentionDropout, 0, 0.99);
        Check("model.activationDropout", m.ActivationDropout, 0, 0.99);
        Check("model.maxItems", m.MaxItems, 2, 512);
        Check("model.idScale", m.IdScale ?? 1, 0, 100);
        Check("model.userDropout", m.UserDropout, 0, 1);
        if (m.Hidden % m.Heads != 0)
        {
            throw new ArgumentException($"model.hidden is {m.Hidden}; it must be a multiple of model.heads, {m.Heads}.");
        }
    }

    private static void CheckText(GenRecRecipe recipe)
    {
        var text = recipe.Text;
        Check("text.titleTokens", text.TitleTokens, 1, 128);
        Check("text.vocabulary", text.Vocabulary, GenRecWords.LeastVocabulary, 200_000);
        Check("text.itemBase", text.ItemBase ?? 2, 2, 65_536);
        Check("text.userBase", text.UserBase ?? 2, 2, 65_536);
        if (recipe.Backbone is not null && (text.ItemBase ?? text.UserBase) is not null)
        {
            throw new ArgumentException("text.itemBase and text.userBase need a vocabulary of one's own; with a backbone numbers are spelled, leave them null.");
        }
    }

    private static void CheckStage(string name, GenRecStage stage, GenRecTextOptions text)
    {
        Check($"{name}.lastShare", stage.LastShare, 0, 1);
        Check($"{name}.texts", stage.Texts, 1, 1000);
        Check($"{name}.learningRate", stage.LearningRate, 1e-9, 1);
        Check($"{name}.weightDecay", stage.WeightDecay, 0, 1);
        Check($"{name}.epochs", stage.Epochs, 1, 100_000);
        Check($"{name}.patience", stage.Patience, 0, 100_000);
        Check($"{name}.batchSize", stage.BatchSize, 1, 1_000_000);
        Check($"{name}.partTokens", stage.PartTokens, 64, 10_000_000);
        Check($"{name}.labelSmoothing", stage.LabelSmoothing, 0, 0.5);
        Check($"{name}.gradientClip", stage.GradientClip, 0, 1e6);
        Check($"{name}.warmUpSteps", stage.WarmUpSteps, 0, 1_000_000);
        if (stage.MaskUser && !(text.User && stage.Task == GenRecTask.MaskedItem))
        {
            throw new ArgumentException($"{name}.maskUser is true, which needs text.user and {name}.task masked-item; without them it must be false.");
        }
    }

    private static void Check(string key, double value, double low, double high)
    {
        if (!(value >= low && value <= high))
        {
            throw new ArgumentException($"{key} is {value}; it must be in [{low}, {high}].");
        }
    }
}

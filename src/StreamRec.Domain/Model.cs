using System.Text.Json;

namespace StreamRec.Domain;

/// <summary>One user's question to a model.</summary>
/// <param name="UserId">The user; a model without a row for it uses its cold-user row.</param>
/// <param name="Window">Item numbers that the user has had, oldest first, impressions left out; the model reads the newest it knows.</param>
/// <param name="Masked">Item numbers that must not be in the list: seen or excluded; may repeat. Withdrawn items a model leaves out by itself.</param>
/// <param name="K">Items wanted.</param>
public readonly record struct ModelQuery(
    string UserId, ReadOnlyMemory<int> Window, ReadOnlyMemory<int> Masked, int K);

/// <summary>A model that can answer. Immutable once loaded; freed by its last lease.</summary>
/// <remarks>Threading: <c>Recommend</c> from several threads at once; <see cref="IDisposable.Dispose"/> only when no call is running.</remarks>
public interface IModel : IDisposable
{
    /// <summary>Which checkpoint this is.</summary>
    ModelVersion Version { get; }

    /// <summary>Answers a batch: for each query its best items, best first, or an empty list where the model knows nothing of the window.</summary>
    /// <exception cref="ModelFailedException">The computation failed, for example for want of memory.</exception>
    IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries);

    /// <summary>
    /// As <see cref="Recommend(IReadOnlyList{ModelQuery})"/>, within a budget: a query that it has no room for is answered with
    /// <see cref="AnswerBudget.Exceeded"/>. A model whose answers cost little need not look at it.
    /// </summary>
    IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries, AnswerBudget budget) => Recommend(queries);
}

/// <summary>What one call to a model may cost.</summary>
/// <param name="Time">No part of a batch is begun after this; null = as long as it takes.</param>
/// <param name="Tokens">Tokens that are read at the most, by models that read text; null = as many as there are.</param>
public readonly record struct AnswerBudget(TimeSpan? Time, int? Tokens)
{
    /// <summary>The answer, empty and known by its reference, to a query that a budget had no room for.</summary>
    public static IReadOnlyList<RankedItem> Exceeded { get; } = new List<RankedItem>().AsReadOnly();
}

/// <summary>A model that reads sequences as text.</summary>
public interface ITextModel : IModel
{
    /// <summary>The text that a query is read as; nothing where the model knows no item of the window.</summary>
    IReadOnlyList<TextToken> Read(ModelQuery query);
}

/// <summary>A token of a text.</summary>
/// <param name="Id">Its row in the model's table.</param>
/// <param name="Text">As people read it.</param>
/// <param name="UserId">The user whose word it belongs to, or null.</param>
/// <param name="ItemId">The item whose word it belongs to, or null.</param>
public sealed record TextToken(int Id, string Text, string? UserId, string? ItemId);

/// <summary>A model whose lists may end with items of a second step, found from the window with the model's own next item added.</summary>
public interface ITwoStepRecall : IModel
{
    /// <summary>Items of a list of 10 that come from the second step, 0 to 5, in proportion for other lengths; 0 = one step.</summary>
    int SecondStep { get; }

    /// <summary>The same weights with another <see cref="SecondStep"/>, for comparing both on one checkpoint.</summary>
    /// <returns>A view: this model owns the weights and must outlive it, and further training shows in it; disposing the view frees nothing.</returns>
    IModel WithSecondStep(int secondStep);
}

/// <summary>One user's interactions in order, for training and evaluation.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Items">Item numbers in the order in which they were applied, impressions left out.</param>
public sealed record UserHistory(string UserId, int[] Items)
{
    /// <summary>What was shown to the user, in order; empty where nobody recorded it.</summary>
    public IReadOnlyList<Impression> Shown { get; init; } = [];
}

/// <summary>An item that was shown to a user.</summary>
/// <param name="Item">Item number.</param>
/// <param name="After">How many of the user's items came before it: it was shown between item After - 1 and item After of the history.</param>
public readonly record struct Impression(int Item, int After);

/// <summary>One question with its answer.</summary>
/// <param name="UserId">The user.</param>
/// <param name="History">Item numbers before the target, oldest first.</param>
/// <param name="Target">The item that came next.</param>
public sealed record TestCase(string UserId, ReadOnlyMemory<int> History, int Target);

/// <summary>One stage of a recipe: a loss and data form of its own, trained until it no longer gets better.</summary>
/// <param name="Name">As people see it, for example <c>pre-training</c>.</param>
/// <param name="Epochs">Passes over the data at the most, 1 or more.</param>
/// <param name="Patience">Passes without a better validation NDCG@10 before the stage ends with its best weights.</param>
/// <param name="BatchSize">Histories in one step.</param>
public sealed record TrainingStage(string Name, int Epochs, int Patience, int BatchSize);

/// <summary>A model being trained: answers with the weights of the moment. Not thread-safe; owned by the trainer.</summary>
public interface ITrainableModel : IModel
{
    /// <summary>The recipe's stages in order, at least one. The last one is also what continuous training goes on with.</summary>
    IReadOnlyList<TrainingStage> Stages { get; }

    /// <summary>Makes a stage the current one, with a fresh optimiser. Training begins in stage 0.</summary>
    void BeginStage(int stage);

    /// <summary>Chooses what is not learnt by gradient (the weight of the evidence, the lengths of the recall steps) on held-out cases.</summary>
    /// <param name="validation">Cases whose targets were not trained on. Never those that the model will be tested with.</param>
    void Calibrate(IReadOnlyList<TestCase> validation);

    /// <summary>Writes everything that continues this training bit for bit: weights, optimiser state, random states.</summary>
    /// <param name="directory">An existing empty directory.</param>
    void SaveState(string directory);

    /// <summary>Goes on from what <see cref="SaveState"/> wrote, into a model made with the same recipe, vocabulary and seed.</summary>
    /// <exception cref="InvalidDataException">The state belongs to another model, or is damaged.</exception>
    void LoadState(string directory);

    /// <summary>One optimiser step on a batch of sequences; returns the mean loss of a predicted position.</summary>
    /// <param name="batch">Histories of at least two items.</param>
    double TrainStep(IReadOnlyList<UserHistory> batch);

    /// <summary>Writes weights, vocabularies and golden inputs into an existing empty directory and returns their part of the manifest.</summary>
    /// <param name="directory">The directory, not yet visible as a checkpoint.</param>
    /// <param name="goldenHistories">Windows whose answers are recorded, so that a later load can prove that it computes the same.</param>
    CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories);
}

/// <summary>What the stream itself says of the next item: exact counts, no weights, up to date with the last interaction.</summary>
/// <remarks>Threading: every member from any thread; an implementation that learns online does so while it is asked.</remarks>
public interface IEvidence
{
    /// <summary>Adds <paramref name="weight"/> times the evidence for each item as the next one after <paramref name="window"/>.</summary>
    /// <param name="window">Item numbers that the user has had, oldest first.</param>
    /// <param name="weight">Factor of everything added.</param>
    /// <param name="scores">By item number; items beyond its end are left out.</param>
    void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores);
}

/// <summary>What a model stands on besides its checkpoint.</summary>
/// <param name="Catalogue">Item numbers.</param>
/// <param name="Evidence">Counts of the stream: live ones in a server, those of the training part in an evaluation.</param>
public sealed record ModelContext(Catalogue Catalogue, IEvidence Evidence);

/// <summary>Evidence of nothing: every item is as likely as any other.</summary>
public sealed class NoEvidence : IEvidence
{
    /// <summary>The only one.</summary>
    public static NoEvidence Instance { get; } = new();

    /// <inheritdoc/>
    public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores)
    {
    }
}

/// <summary>One family of models: how its checkpoints are loaded and made.</summary>
public interface IModelFamily
{
    /// <summary>The family's name, also its directory's: lower-case letters, digits and hyphens.</summary>
    string Name { get; }

    /// <summary>Refuses a recipe that no model could be created with.</summary>
    /// <exception cref="ArgumentException">A key is unknown or a value out of range; the message names it.</exception>
    void CheckRecipe(JsonElement recipe);

    /// <summary>Loads a checkpoint whose hashes were verified: shapes, finite weights, vocabulary, then the golden inputs must reproduce.</summary>
    /// <exception cref="CheckpointRejectedException">Any check fails; the message names file, tensor or input and what was expected.</exception>
    IModel Load(string directory, CheckpointManifest manifest, ModelContext context);

    /// <summary>A model to train: from a parent checkpoint, or from nothing with freshly seeded weights.</summary>
    /// <param name="recipe">The family's own settings, as in <c>config/models/&lt;family&gt;.json</c>.</param>
    /// <param name="vocabulary">What the model has to know: a parent's rows are kept by id, new ones are added.</param>
    /// <param name="parent">The checkpoint to go on from, or null.</param>
    /// <param name="context">What the model stands on.</param>
    /// <param name="seed">Everything random follows from it.</param>
    /// <exception cref="ArgumentException">The recipe has an unknown key or a value out of range, or does not go with the parent.</exception>
    ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed);
}

/// <summary>A checkpoint that training goes on from.</summary>
/// <param name="Directory">Its directory, every hash verified.</param>
/// <param name="Config">Its configuration, from the manifest.</param>
public sealed record ParentCheckpoint(string Directory, JsonElement Config);

/// <summary>The items and users that a model in training has rows for.</summary>
/// <param name="Items">Item numbers.</param>
/// <param name="Users">User ids.</param>
public sealed record TrainingVocabulary(IReadOnlyList<int> Items, IReadOnlyList<string> Users);

/// <summary>A forward pass went wrong.</summary>
public sealed class ModelFailedException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A checkpoint was refused; the live model stays.</summary>
public sealed class CheckpointRejectedException(string message, Exception? inner = null) : Exception(message, inner);

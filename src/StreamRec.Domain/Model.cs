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
/// <remarks>Threading: <see cref="Recommend"/> from several threads at once; <see cref="IDisposable.Dispose"/> only when no call is running.</remarks>
public interface IModel : IDisposable
{
    /// <summary>Which checkpoint this is.</summary>
    ModelVersion Version { get; }

    /// <summary>Answers a batch: for each query its best items, best first, or an empty list where the model knows nothing of the window.</summary>
    /// <exception cref="ModelFailedException">The computation failed, for example for want of memory.</exception>
    IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries);
}

/// <summary>One user's interactions in order, for training and evaluation.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Items">Item numbers in the order in which they were applied, impressions left out.</param>
public sealed record UserHistory(string UserId, int[] Items);

/// <summary>A model being trained: answers with the weights of the moment. Not thread-safe; owned by the trainer.</summary>
public interface ITrainableModel : IModel
{
    /// <summary>One optimiser step on a batch of sequences; returns the mean loss of a predicted position.</summary>
    /// <param name="batch">Histories of at least two items.</param>
    double TrainStep(IReadOnlyList<UserHistory> batch);

    /// <summary>Writes weights, vocabularies and golden inputs into an existing empty directory and returns their part of the manifest.</summary>
    /// <param name="directory">The directory, not yet visible as a checkpoint.</param>
    /// <param name="goldenHistories">Windows whose answers are recorded, so that a later load can prove that it computes the same.</param>
    CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories);
}

/// <summary>One family of models: how its checkpoints are loaded and made.</summary>
public interface IModelFamily
{
    /// <summary>The family's name, also its directory's: lower-case letters, digits and hyphens.</summary>
    string Name { get; }

    /// <summary>Loads a checkpoint whose hashes were verified: shapes, finite weights, vocabulary, then the golden inputs must reproduce.</summary>
    /// <exception cref="CheckpointRejectedException">Any check fails; the message names file, tensor or input and what was expected.</exception>
    IModel Load(string directory, CheckpointManifest manifest, Catalogue catalogue);

    /// <summary>A model to train: from a parent checkpoint, or from nothing with freshly seeded weights.</summary>
    /// <param name="recipe">The family's own settings, as in <c>config/models/&lt;family&gt;.json</c>.</param>
    /// <param name="vocabulary">What the model has to know: a parent's rows are kept by id, new ones are added.</param>
    /// <param name="parentDirectory">The parent's verified directory, or null.</param>
    /// <param name="catalogue">Item numbers.</param>
    /// <param name="seed">Everything random follows from it.</param>
    /// <exception cref="ArgumentException">The recipe has an unknown key or a value out of range.</exception>
    ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, string? parentDirectory, Catalogue catalogue, int seed);
}

/// <summary>The items and users that a model in training has rows for.</summary>
/// <param name="Items">Item numbers.</param>
/// <param name="Users">User ids.</param>
public sealed record TrainingVocabulary(IReadOnlyList<int> Items, IReadOnlyList<string> Users);

/// <summary>A forward pass went wrong.</summary>
public sealed class ModelFailedException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A checkpoint was refused; the live model stays.</summary>
public sealed class CheckpointRejectedException(string message, Exception? inner = null) : Exception(message, inner);

using System.Text.Json;
using System.Text.Json.Serialization;

namespace StreamRec.Domain;

/// <summary>What training left out, so that it can judge the model.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<HeldOut>))]
public enum HeldOut
{
    /// <summary>An older build did not say.</summary>
    Unknown,

    /// <summary>Each user's last two items: the strict protocol.</summary>
    LastTwo,

    /// <summary>What is newer than <see cref="CheckpointManifest.TrainedUpTo"/>.</summary>
    Newest,
}

/// <summary><c>manifest.json</c> of a checkpoint: what it is, where it comes from, what proves that it is whole.</summary>
/// <remarks>A checkpoint directory is immutable once published; only the files named here exist for a reader, and none lies outside the directory.</remarks>
public sealed record CheckpointManifest
{
    /// <summary>The newest layout that this code writes and the only one it reads.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Layout version of the directory.</summary>
    public required int Format { get; init; }

    public required string Family { get; init; }

    public required int Version { get; init; }

    /// <summary>The version that training started from; null for the first.</summary>
    public required int? Parent { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>Version of the program that wrote it.</summary>
    public required string CodeVersion { get; init; }

    /// <summary>Seed of the training run.</summary>
    public required int Seed { get; init; }

    /// <summary>The family's full configuration.</summary>
    public required JsonElement Config { get; init; }

    /// <summary>Journal positions that training read: above the first, up to the second.</summary>
    public required long TrainedAfter { get; init; }

    /// <summary>See <see cref="TrainedAfter"/>.</summary>
    public required long TrainedUpTo { get; init; }

    /// <summary>Of these positions, what training did not see all the same.</summary>
    public HeldOut HeldOut { get; init; }

    /// <summary>SHA-256, hexadecimal, of every other file of the directory, by relative name.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <summary>Inputs and the answers that they must reproduce.</summary>
    public required IReadOnlyList<GoldenInput> Golden { get; init; }

    /// <summary>Held-out quality and other figures, for example <c>ndcg@10</c>, <c>popularity.ndcg@10</c>.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }
}

/// <summary>A window and the list that the checkpoint gave for it when it was written.</summary>
/// <param name="UserId">The user, or an unknown one.</param>
/// <param name="Window">Item ids, oldest first.</param>
/// <param name="Top">Item ids of the expected list, best first.</param>
/// <param name="Scores">Their scores; a load must come within 1e-3 of each, relative to the largest.</param>
public sealed record GoldenInput(string UserId, IReadOnlyList<string> Window, IReadOnlyList<string> Top, IReadOnlyList<float> Scores);

/// <summary>What a family contributes to a manifest.</summary>
/// <param name="Config">Its full configuration.</param>
/// <param name="Files">Names of the files that it wrote, relative to the directory.</param>
/// <param name="Golden">Inputs with their answers.</param>
public sealed record CheckpointContent(JsonElement Config, IReadOnlyList<string> Files, IReadOnlyList<GoldenInput> Golden);

/// <summary>The checkpoints of this node: published versions and which one serves. Implemented by the inference stage.</summary>
public interface ICheckpoints
{
    /// <summary>The version behind the alias <c>champion</c>, or null while there is none.</summary>
    ModelVersion? Champion { get; }

    /// <summary>Checks every hash and returns the directory with its manifest.</summary>
    /// <exception cref="CheckpointRejectedException">The version is missing, incomplete or altered.</exception>
    (string Directory, CheckpointManifest Manifest) Open(ModelVersion version);

    /// <summary>Loads a version as activation would, with every check; the caller disposes it.</summary>
    /// <param name="version">The version.</param>
    /// <param name="evidence">What it stands on instead of the stream as it is now: live counts have seen what a model is judged by.</param>
    /// <exception cref="CheckpointRejectedException">A check fails.</exception>
    IModel Load(ModelVersion version, IEvidence? evidence = null);

    /// <summary>Publishes a checkpoint atomically under the family's next version: readers see all of it or nothing.</summary>
    /// <param name="family">The family.</param>
    /// <param name="draft">Everything but version and file hashes, which are filled in.</param>
    /// <param name="write">Writes the family's files into the directory given and returns what it contributes.</param>
    /// <returns>The new version, not yet serving.</returns>
    ModelVersion Publish(string family, CheckpointManifest draft, Func<string, CheckpointContent> write);

    /// <summary>Loads a version beside the live model, proves it and makes it champion.</summary>
    /// <exception cref="CheckpointRejectedException">Any check failed; the live model stays.</exception>
    void Activate(ModelVersion version);

    /// <summary>Deletes old versions of a family; the newest <paramref name="keep"/> and those behind an alias stay.</summary>
    void Prune(string family, int keep);
}

using StreamRec.Domain;

namespace StreamRec.Models.Tests;

/// <summary>Checkpoints as a registry would keep them.</summary>
internal static class Saved
{
    /// <summary>Saves a model and returns the manifest that a registry would write for it.</summary>
    public static CheckpointManifest Save(this ITrainableModel model, string directory, string family, params IReadOnlyList<UserHistory> golden)
    {
        var content = model.Save(directory, golden);
        return new CheckpointManifest
        {
            Format = CheckpointManifest.CurrentFormat,
            Family = family,
            Version = 7,
            Parent = null,
            Created = DateTimeOffset.UnixEpoch,
            CodeVersion = "test",
            Seed = 3,
            Config = content.Config,
            TrainedAfter = 0,
            TrainedUpTo = 0,
            Files = new Dictionary<string, string>(),
            Golden = content.Golden,
            Metrics = new Dictionary<string, double>(),
        };
    }
}

using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Training;

/// <summary>What the training side knows of a checkpoint before it is published.</summary>
internal static class Manifests
{
    /// <summary>A manifest without what only publishing knows: version, files, configuration, golden inputs.</summary>
    public static CheckpointManifest Draft(
        string family,
        ModelVersion? parent,
        int seed,
        string codeVersion,
        long trainedAfter,
        long trainedUpTo,
        HeldOut heldOut,
        IReadOnlyDictionary<string, double> metrics,
        DateTimeOffset created) => new()
        {
            Format = CheckpointManifest.CurrentFormat,
            Family = family,
            Version = 0,
            Parent = parent?.Family == family ? parent.Version : null,
            Created = created,
            CodeVersion = codeVersion,
            Seed = seed,
            Config = JsonSerializer.SerializeToElement(new { }),
            TrainedAfter = trainedAfter,
            TrainedUpTo = trainedUpTo,
            HeldOut = heldOut,
            Files = new Dictionary<string, string>(),
            Golden = [],
            Metrics = metrics,
        };

    /// <summary>Histories spread over the training data, of at least two items each where there are any.</summary>
    public static IReadOnlyList<UserHistory> GoldenHistories(IReadOnlyList<UserHistory> train, int count)
    {
        var usable = train.Where(history => history.Items.Length >= 2).ToList();
        return [.. Enumerable.Range(0, Math.Min(count, usable.Count)).Select(i => usable[(int)((long)i * usable.Count / count) % usable.Count])];
    }
}

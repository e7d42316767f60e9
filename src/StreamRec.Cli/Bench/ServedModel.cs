using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Server;

namespace StreamRec.Cli.Bench;

/// <summary>A model to serve: RecGPT with d = 64, L = 50, two layers and random weights over all items. It costs what a trained one does.</summary>
internal static class ServedModel
{
    public const int Window = 50;

    /// <summary>Fills a data directory with users whose windows are full, and makes the model its champion.</summary>
    public static async Task PrepareAsync(string dataDirectory, int users, CancellationToken cancellationToken)
    {
        var options = StreamRecOptions.Load(null, [new("Server:DataDirectory", dataDirectory)]);
        await using var data = await OfflineData.OpenAsync(options, JournalAccess.Exclusive, NullLoggerFactory.Instance, cancellationToken);
        await new Population(users, Window).StoreAsync(data.Journal, static _ => { }, cancellationToken);
        Activate(data);
    }

    /// <summary>Makes it the champion of a data directory whose journal has the items of a <see cref="Population"/>.</summary>
    public static void Activate(OfflineData data)
    {
        var recipe = JsonSerializer.SerializeToElement(new { model = new { hidden = 64, layers = 2, heads = 2, feedForward = 256, maxLength = Window } });
        var family = Pipeline.Families.Single(family => family.Name == "recgpt");
        var vocabulary = new TrainingVocabulary([.. Enumerable.Range(0, Population.Items)], []);
        using var model = family.Create(recipe, vocabulary, null, new ModelContext(data.Journal.Catalogue, NoEvidence.Instance), seed: 1);
        var draft = new CheckpointManifest
        {
            Format = CheckpointManifest.CurrentFormat,
            Family = "",
            Version = 0,
            Parent = null,
            Created = TimeProvider.System.GetUtcNow(),
            CodeVersion = Pipeline.CodeVersion,
            Seed = 1,
            Config = recipe,
            TrainedAfter = 0,
            TrainedUpTo = 0,
            Files = new Dictionary<string, string>(),
            Golden = [],
            Metrics = new Dictionary<string, double>(),
        };
        data.Models.Activate(data.Models.Publish(family.Name, draft, directory => model.Save(directory, [new UserHistory("nobody", [1, 2, 3])])));
    }
}

using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.GenRecSeq2Seq;

namespace StreamRec.Models.Tests;

/// <summary>A catalogue in which everybody walks round the same circle of 20 items, from different starts, and small models of it.</summary>
internal sealed class GenRecWorld : IDisposable
{
    public const int Circle = 20;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("streamrec-genrec-");

    public GenRecWorld()
    {
        for (var i = 0; i < 25; i++)
        {
            Catalogue.Add($"item-{i}");
        }

        Histories = [.. Enumerable.Range(0, Circle).Select(u => new UserHistory($"user-{u}", [.. Enumerable.Range(u, 8).Select(i => i % Circle)]))];
    }

    /// <summary>An empty directory at first.</summary>
    public string Path => _directory.FullName;

    public Catalogue Catalogue { get; } = new();

    public ModelContext Context => new(Catalogue, NoEvidence.Instance);

    public UserHistory[] Histories { get; }

    public GenRecFamily Family { get; } = new(TimeProvider.System);

    public void Dispose() => _directory.Delete(recursive: true);

    /// <summary>A recipe of small models.</summary>
    /// <param name="text">Members of its section text.</param>
    /// <param name="stage">Members of its only stage.</param>
    /// <param name="model">Members of its section model, after the small ones.</param>
    public static JsonElement Recipe(string text = "", string stage = "", string model = "") => JsonSerializer.Deserialize<JsonElement>($$"""
        {
          "model": {"hidden":16,"encoderLayers":1,"decoderLayers":1,"heads":2,"feedForward":32,"maxItems":6,"dropout":0,"userDropout":0{{Then(model)}}},
          "text": {{{text}}},
          "stages": [{"learningRate":0.01,"warmUpSteps":0,"decay":"none"{{Then(stage)}}}],
          "evidence": {"weight":0}
        }
        """);

    public ITrainableModel Create(JsonElement recipe, ParentCheckpoint? parent = null, int seed = 3) => Family.Create(
        recipe, new TrainingVocabulary([.. Enumerable.Range(0, Circle)], [.. Histories.Select(h => h.UserId)]), parent, Context, seed);

    public ITrainableModel Train(JsonElement recipe, int steps)
    {
        var model = Create(recipe);
        for (var i = 0; i < steps; i++)
        {
            model.TrainStep(Histories);
        }

        return model;
    }

    /// <summary>Saves a model into <see cref="Path"/>, in place of what was there.</summary>
    public CheckpointManifest Save(ITrainableModel model)
    {
        _directory.Delete(recursive: true);
        _directory.Create();
        return model.Save(_directory.FullName, GenRecFamily.FamilyName, Histories[0], Histories[7]);
    }

    public ParentCheckpoint Parent(ITrainableModel model) => new(_directory.FullName, Save(model).Config);

    public static IReadOnlyList<RankedItem> Ask(IModel model, string user, int[] window, int k = 5) =>
        model.Recommend([new ModelQuery(user, window, window, k)])[0];

    private static string Then(string members) => members.Length == 0 ? "" : "," + members;
}

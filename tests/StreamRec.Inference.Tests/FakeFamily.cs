using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Inference.Tests;

/// <summary>A family whose checkpoints are a text file, "ok" or the reason why a load must be refused, and another in a folder.</summary>
internal sealed class FakeFamily : IModelFamily
{
    private readonly List<FakeModel> _loaded = [];

    public string Name => "fake";

    /// <summary>Every model that was ever loaded, in order.</summary>
    public IReadOnlyList<FakeModel> Loaded => _loaded;

    public void CheckRecipe(JsonElement recipe)
    {
    }

    public IModel Load(string directory, CheckpointManifest manifest, ModelContext context)
    {
        var content = File.ReadAllText(Path.Combine(directory, "weights.txt"));
        if (content != "ok")
        {
            throw new CheckpointRejectedException(content);
        }

        var model = new FakeModel(new ModelVersion(Name, manifest.Version));
        _loaded.Add(model);
        return model;
    }

    public ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed) =>
        throw new NotSupportedException("The fake family does not train.");

    public static CheckpointManifest Draft() => new()
    {
        Format = CheckpointManifest.CurrentFormat,
        Family = "",
        Version = 0,
        Parent = null,
        Created = DateTimeOffset.UnixEpoch,
        CodeVersion = "test",
        Seed = 1,
        Config = JsonSerializer.SerializeToElement(new { }),
        TrainedAfter = 0,
        TrainedUpTo = 0,
        Files = new Dictionary<string, string>(),
        Golden = [],
        Metrics = new Dictionary<string, double>(),
    };

    public static CheckpointContent Write(string directory, string content)
    {
        File.WriteAllText(Path.Combine(directory, "weights.txt"), content);
        Directory.CreateDirectory(Path.Combine(directory, "words"));
        File.WriteAllText(Path.Combine(directory, "words", "list.txt"), "a b c");
        return new CheckpointContent(JsonSerializer.SerializeToElement(new { }), ["weights.txt", "words/list.txt"], []);
    }
}

/// <summary>Answers every query with the item whose number is the model's version.</summary>
internal sealed class FakeModel(ModelVersion version) : IModel
{
    public ModelVersion Version => version;

    public bool Disposed { get; private set; }

    /// <summary>What the last call was allowed to cost.</summary>
    public AnswerBudget Budget { get; private set; }

    /// <summary>Queries of a call that the budget has no room for, counted from the end.</summary>
    public int OverBudget { get; set; }

    /// <summary>Runs inside each call, for tests that hold a batch or make it fail.</summary>
    public Action<IReadOnlyList<ModelQuery>>? Computing { get; set; }

    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
    {
        ObjectDisposedException.ThrowIf(Disposed, this);
        Computing?.Invoke(queries);
        return [.. queries.Select(query => query.Window.Length == 0 ? (IReadOnlyList<RankedItem>)[] : [new RankedItem(version.Version, 1, "fake")])];
    }

    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries, AnswerBudget budget)
    {
        Budget = budget;
        var lists = Recommend(queries);
        Array.Fill(lists, AnswerBudget.Exceeded, lists.Length - OverBudget, OverBudget);
        return lists;
    }

    public void Dispose() => Disposed = true;
}

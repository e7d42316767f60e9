using System.Runtime.CompilerServices;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Training.Tests;

/// <summary>A journal that can only be read.</summary>
internal sealed class FakeJournal : IJournal
{
    private readonly List<StoredSegment> _segments = [];

    public string? WaitsBecause => null;

    public bool IsShared => false;

    public Catalogue Catalogue { get; } = new();

    /// <summary>Appends interactions (user, item) as one segment.</summary>
    public void Append(params (string User, int Item)[] interactions)
    {
        foreach (var item in interactions.Select(i => i.Item).Order())
        {
            while (Catalogue.Count <= item)
            {
                Catalogue.Add($"item-{Catalogue.Count}");
            }
        }

        var users = interactions.Select(i => i.User).Distinct().ToList();
        _segments.Add(new StoredSegment(_segments.Count + 1, default, new Segment(
            0, 0, 0, users,
            [.. interactions.Select(i => new SegmentEntry(users.IndexOf(i.User), i.Item, InteractionType.Click, 0, 0, double.NaN, null))])));
    }

    public async IAsyncEnumerable<StoredSegment> ReadAsync(
        long afterPosition, SourcePartition? source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var segment in _segments.Where(s => s.Position > afterPosition))
        {
            yield return segment;
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    public ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<PartitionLease> AcquireAsync(SourcePartition source, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<long> AppendAsync(PartitionLease lease, Segment segment, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask SaveUsersAsync(PartitionLease lease, IUserStates states, long foldedPosition, long completedOffset, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<ForgetReceipt> ForgetAsync(string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask AddAuditAsync(string action, string detail, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}

/// <summary>Checkpoints in memory.</summary>
internal sealed class FakeCheckpoints : ICheckpoints
{
    private readonly Dictionary<ModelVersion, (CheckpointManifest Manifest, int Step)> _published = [];

    public ModelVersion? Champion { get; private set; }

    /// <summary>While set, every activation is refused with it.</summary>
    public string? Refusal { get; set; }

    public IReadOnlyCollection<ModelVersion> Published => _published.Keys;

    public CheckpointManifest ManifestOf(ModelVersion version) => _published[version].Manifest;

    public (string Directory, CheckpointManifest Manifest) Open(ModelVersion version) => ("parent", _published[version].Manifest);

    /// <summary>While set, every load is refused with it.</summary>
    public string? Damage { get; set; }

    /// <summary>What the last load was to stand on.</summary>
    public IEvidence? Evidence { get; private set; }

    public IModel Load(ModelVersion version, IEvidence? evidence = null)
    {
        Evidence = evidence;
        return Damage is not null ? throw new CheckpointRejectedException(Damage) : new StepModel(version, _published[version].Step);
    }

    public ModelVersion Publish(string family, CheckpointManifest draft, Func<string, CheckpointContent> write)
    {
        var content = write("directory");
        var version = new ModelVersion(family, _published.Count + 1);
        _published[version] = (draft, content.Config.GetInt32());
        return version;
    }

    public void Activate(ModelVersion version) =>
        Champion = Refusal is null ? version : throw new CheckpointRejectedException(Refusal);

    public void Prune(string family, int keep)
    {
    }
}

/// <summary>A family whose only parameter is a step: it recommends the item that many numbers after the last one. Training sets it to the one asked for.</summary>
internal sealed class StepFamily : IModelFamily
{
    /// <summary>What training ends with.</summary>
    public int Learns { get; set; } = 1;

    public string? ParentDirectory { get; private set; }

    public int StepsTrained { get; set; }

    /// <summary>The stage that was begun last; 0 = none was.</summary>
    public int Stage { get; private set; }

    /// <summary>What the last model was calibrated on.</summary>
    public IReadOnlyList<TestCase> Calibration { get; set; } = [];

    /// <summary>What the last model stands on.</summary>
    public IEvidence? Evidence { get; private set; }

    public TrainingVocabulary? Vocabulary { get; private set; }

    public Exception? Failure { get; set; }

    public string Name => "step";

    public void CheckRecipe(JsonElement recipe)
    {
    }

    public IModel Load(string directory, CheckpointManifest manifest, ModelContext context) => throw new NotSupportedException();

    public ITrainableModel Create(JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        (ParentDirectory, Vocabulary, Evidence) = (parent?.Directory, vocabulary, context.Evidence);
        return new Trained(this);
    }

    private sealed class Trained(StepFamily family) : StepModel(new ModelVersion("step", 0), family.Learns), ITrainableModel
    {
        public IReadOnlyList<TrainingStage> Stages => [new TrainingStage("first", 1, 1, 8), new TrainingStage("last", 1, 1, 8)];

        public void BeginStage(int stage) => family.Stage = stage;

        public void Calibrate(IReadOnlyList<TestCase> validation) => family.Calibration = validation;

        public void SaveState(string directory) => throw new NotSupportedException("A step has no state.");

        public void LoadState(string directory) => throw new NotSupportedException("A step has no state.");

        public double TrainStep(IReadOnlyList<UserHistory> batch)
        {
            family.StepsTrained++;
            return 1;
        }

        public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories) =>
            new(JsonSerializer.SerializeToElement(family.Learns), [], []);
    }
}

internal class StepModel(ModelVersion version, int step) : IModel
{
    public ModelVersion Version => version;

    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries) =>
        [.. queries.Select(q => q.Window.Length == 0 ? (IReadOnlyList<RankedItem>)[] : [new RankedItem(q.Window.Span[^1] + step, 1, "step")])];

    public void Dispose() => GC.SuppressFinalize(this);
}

using System.Text.Json;
using StreamRec.Actors.Tests;
using StreamRec.Domain;

namespace StreamRec.Training.Tests;

public sealed class OfflineFitTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-fit-").FullName;
    private readonly CurveFamily _family = new();
    private readonly List<EpochReport> _reports = [];

    // Item 1 follows item 0 for everybody: a model that says so is right, any other is wrong.
    private readonly LeaveOneOut _split = new(
        [.. Enumerable.Range(0, 40).Select(u => new UserHistory($"u{u}", [2, 0]))],
        [.. Enumerable.Range(0, 40).Select(u => new TestCase($"u{u}", new[] { 0 }, 1))]);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_stage_ends_after_its_patience_with_its_best_weights()
    {
        _family.BestAfter = [3, 2];

        var model = (CurveModel)Fit().Run(_split, CancellationToken.None);

        Assert.Equal(["first 1", "first 2", "first 3", "first 4", "first 5", "second 1", "second 2", "second 3", "second 4"], Passes());
        Assert.Equal(["first 1", "first 2", "first 3", "second 1", "second 2"], _reports.Where(r => r.Best).Select(r => $"{r.Stage} {r.Epoch}"));
        Assert.Equal((1, 2), (model.Stage, model.Epoch));
        Assert.True(model.Calibrated);
    }

    [Fact]
    public void Without_validation_all_passes_are_run_and_the_last_weights_kept()
    {
        var model = (CurveModel)Fit().Run(_split with { Test = [] }, CancellationToken.None);

        Assert.Equal(20, _reports.Count);
        Assert.All(_reports, report => Assert.Null(report.Validation));
        Assert.Equal((1, 10), (model.Stage, model.Epoch));
        Assert.False(model.Calibrated);
    }

    [Fact]
    public void What_a_command_says_holds_for_the_last_stage_alone()
    {
        _family.BestAfter = [1, 1];

        Fit(new StageOverride(Epochs: 4, Patience: 0, BatchSize: 5)).Run(_split, CancellationToken.None);

        Assert.Equal(["first 1", "first 2", "first 3", "second 1", "second 2", "second 3", "second 4"], Passes());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(13)]
    [InlineData(21)]
    [InlineData(27)]
    public void A_run_that_is_stopped_anywhere_and_resumed_ends_as_one_that_was_not(int stopAfter)
    {
        _family.BestAfter = [3, 2];
        var whole = (CurveModel)Fit().Run(_split, CancellationToken.None);
        _reports.Clear();
        using var stop = new CancellationTokenSource();
        _family.Stepped = step =>
        {
            if (step == stopAfter)
            {
                stop.Cancel();
            }
        };
        Assert.Throws<OperationCanceledException>(() => Fit(state: _directory).Run(_split, stop.Token));
        _family.Stepped = null;

        var resumed = (CurveModel)Fit(state: _directory).Run(_split, CancellationToken.None);

        Assert.Equal(whole.Digest, resumed.Digest);
        Assert.Equal((whole.Stage, whole.Epoch), (resumed.Stage, resumed.Epoch));
        Assert.Equal(9, Passes().Length);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(14)]
    [InlineData(31)]
    public void A_run_that_is_killed_within_a_pass_goes_on_from_the_last_minute(int killAfter)
    {
        _family.BestAfter = [3, 2];
        var whole = (CurveModel)Fit().Run(_split, CancellationToken.None);
        var losses = _reports.Select(report => (report.Stage, report.Epoch, report.Loss)).ToList();
        _reports.Clear();
        var time = new FakeTimeProvider();
        var steps = 0;
        // Two steps take a minute, so that a state is saved within each pass of four.
        _family.Stepped = _ =>
        {
            time.Advance(TimeSpan.FromSeconds(31));
            if (++steps == killAfter)
            {
                throw new TimeoutException("killed");
            }
        };
        Assert.Throws<TimeoutException>(() => Fit(state: _directory, time: time).Run(_split, CancellationToken.None));
        _family.Stepped = _ => steps++;

        var resumed = (CurveModel)Fit(state: _directory, time: time).Run(_split, CancellationToken.None);

        Assert.Equal((whole.Digest, whole.Stage, whole.Epoch), (resumed.Digest, resumed.Stage, resumed.Epoch));
        Assert.Equal(losses, _reports.Select(report => (report.Stage, report.Epoch, report.Loss)));
        // 36 steps in all; none was made twice but those since the last saved minute.
        Assert.InRange(steps, 36, 36 + 2);
    }

    [Theory]
    [InlineData(0, null, null, "epochs is 0; it must be 1 or more")]
    [InlineData(null, -1, null, "patience is -1; it must be 0 or more")]
    [InlineData(null, null, 0, "batch is 0; it must be 1 or more")]
    public void What_a_command_says_is_checked(int? epochs, int? patience, int? batch, string reason)
    {
        var refused = Assert.Throws<ArgumentException>(() => Fit(new StageOverride(epochs, patience, batch)).Run(_split, CancellationToken.None));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Histories_of_one_item_teach_nothing_and_are_refused()
    {
        var split = _split with { Train = [new UserHistory("u", [1])] };

        Assert.Contains(
            "None of 1 users has two items",
            Assert.Throws<InvalidOperationException>(() => Fit().Run(split, CancellationToken.None)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_state_of_another_run_is_not_taken()
    {
        Fit(state: _directory).Run(_split, CancellationToken.None);
        var said = new List<string>();
        _reports.Clear();

        new OfflineFit(_family, default, Context, seed: 8, TimeProvider.System) { StateDirectory = _directory, Resumed = said.Add, Report = _reports.Add }
            .Run(_split, CancellationToken.None);

        Assert.StartsWith("Starting afresh", Assert.Single(said), StringComparison.Ordinal);
        Assert.Equal("first 1", Passes()[0]);
    }

    [Fact]
    public void A_damaged_state_is_refused_with_the_way_out()
    {
        Fit(state: _directory).Run(_split, CancellationToken.None);
        File.WriteAllText(Path.Combine(_directory, "fit.json"), "{ \"fingerprint\": ");

        var refused = Assert.Throws<InvalidDataException>(() => Fit(state: _directory).Run(_split, CancellationToken.None));

        Assert.Contains(_directory, refused.Message, StringComparison.Ordinal);
        Assert.Contains("--restart", refused.Message, StringComparison.Ordinal);
    }

    private static ModelContext Context => new(new Catalogue(), NoEvidence.Instance);

    private OfflineFit Fit(StageOverride over = default, string? state = null, TimeProvider? time = null) =>
        new(_family, default, Context, seed: 7, time ?? TimeProvider.System) { Override = over, StateDirectory = state, Report = _reports.Add };

    private string[] Passes() => [.. _reports.Select(report => $"{report.Stage} {report.Epoch}")];

    /// <summary>Two stages; a model gets better up to a given pass of each and worse afterwards.</summary>
    private sealed class CurveFamily : IModelFamily
    {
        public int[] BestAfter { get; set; } = [2, 2];

        public Action<int>? Stepped { get; set; }

        public string Name => "curve";

        public void CheckRecipe(JsonElement recipe)
        {
        }

        public IModel Load(string directory, CheckpointManifest manifest, ModelContext context) => throw new NotSupportedException();

        public ITrainableModel Create(JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed) =>
            new CurveModel(this);
    }

    private sealed class CurveModel(CurveFamily family) : ITrainableModel
    {
        private int _steps;

        public int Stage { get; private set; }

        public int Epoch => _steps / 4;

        /// <summary>Depends on every batch and on their order.</summary>
        public int Digest { get; private set; }

        public bool Calibrated { get; private set; }

        public ModelVersion Version => new("curve", 0);

        public IReadOnlyList<TrainingStage> Stages => [new("first", 10, 2, 10), new("second", 10, 2, 10)];

        public void BeginStage(int stage) => (Stage, _steps) = (stage, 0);

        public void Calibrate(IReadOnlyList<TestCase> validation) => Calibrated = true;

        public double TrainStep(IReadOnlyList<UserHistory> batch)
        {
            _steps++;
            Digest = batch.Aggregate(Digest, (digest, history) => unchecked((digest * 31) + int.Parse(history.UserId[1..], System.Globalization.CultureInfo.InvariantCulture)));
            family.Stepped?.Invoke((Stage * 20) + _steps);
            return Digest % 7;
        }

        // The right answer slips down the list with the distance from the best pass.
        public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
        {
            var place = Math.Abs(Epoch - family.BestAfter[Stage]);
            RankedItem[] list = [.. Enumerable.Range(0, 10).Select(i => new RankedItem(i == place ? 1 : 100 + i, -i, "curve"))];
            return [.. queries.Select(_ => list)];
        }

        public void SaveState(string directory) => File.WriteAllText(Path.Combine(directory, "s"), $"{Stage} {_steps} {Digest}");

        public void LoadState(string directory)
        {
            var parts = File.ReadAllText(Path.Combine(directory, "s")).Split(' ').Select(int.Parse).ToArray();
            (Stage, _steps, Digest) = (parts[0], parts[1], parts[2]);
        }

        public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}

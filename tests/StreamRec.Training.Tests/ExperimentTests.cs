using System.IO.Compression;
using System.Text;
using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Training.Evaluation;
using StreamRec.Training.Experiments;

namespace StreamRec.Training.Tests;

public sealed class ExperimentTests : IDisposable
{
    private static readonly JsonElement Recipe = JsonDocument.Parse("""{"stages":[{"name":"one","epochs":5},{"name":"two","epochs":7}]}""").RootElement;

    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-results-").FullName;
    private readonly StagedFamily _family = new();

    // Everybody counts upwards by one: a model that steps by one is right.
    private readonly ExperimentData _data = Data([.. Enumerable.Range(0, 30).Select(u => new UserHistory($"u{u}", [u, u + 1, u + 2, u + 3]))]);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_sequence_file_is_read_plain_or_compressed_and_its_hash_is_of_its_content()
    {
        var (plain, gzip) = (Path.Combine(_directory, "Small.txt"), Path.Combine(_directory, "Small.txt.gz"));
        File.WriteAllText(plain, "7 30 10 30\n\n9  10 20\n");
        using (var stream = new GZipStream(File.Create(gzip), CompressionLevel.Fastest))
        {
            stream.Write(Encoding.UTF8.GetBytes("7 30 10 30\n9 10 20"));
        }

        var (a, b) = (ExperimentData.Read(plain), ExperimentData.Read(gzip));

        Assert.Equal(("Small", 3), (a.Name, a.Catalogue.Count));
        Assert.Equal([0, 1, 0], a.Histories.Users[0].Items);
        Assert.Equal("20", a.Catalogue[a.Histories.Users[1].Items[1]].Id);
        Assert.Equal(a.Hash, b.Hash);
    }

    [Theory]
    [InlineData("7 1 2\n7 3\n", "row 2: the user has a row already")]
    [InlineData("7\n", "row 1: there are no items")]
    public void A_line_that_is_no_sequence_is_named(string content, string complaint)
    {
        var path = Path.Combine(_directory, "bad.txt");
        File.WriteAllText(path, content);

        Assert.Contains(complaint, Assert.Throws<InvalidDataException>(() => ExperimentData.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_strict_run_fits_without_the_last_two_items_and_is_not_repeated()
    {
        var result = Run(Protocol.Strict)!;
        var again = Run(Protocol.Strict)!;

        Assert.Equal([0, 1], _family.Histories[0].Items);
        Assert.Equal(1, _family.Created);
        Assert.Equal(result.Date, again.Date);
        Assert.All(result.Find(null, RecallSteps.Chosen, masked: true).Ranks, rank => Assert.Equal(1, rank));
        Assert.Equal([1, 1], result.Epochs);
        Assert.False(Directory.Exists(new ResultStore(_directory).StateOf(Experiment(Protocol.Strict))));
    }

    [Fact]
    public void One_training_is_tested_after_each_stage_with_either_recall()
    {
        var result = Run(Protocol.Strict)!;

        Assert.Equal([(1, 0), (1, 1), (2, 0), (2, 2)], result.Variants.Select(v => (v.Stage, v.SecondStep)));
        Assert.Equal(2, result.Find(null, RecallSteps.Chosen, masked: true).SecondStep);
        Assert.Equal(0, result.Find(1, RecallSteps.One, masked: true).SecondStep);
        Assert.Contains("unmasked", Assert.Throws<InvalidDataException>(() => result.Find(null, RecallSteps.One, masked: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_targets_repeat_the_unmasked_figures_stand_beside()
    {
        var data = Data([.. Enumerable.Range(0, 30).Select(u => new UserHistory($"u{u}", [2, 3, 1, 2]))]);

        var result = Run(Protocol.Strict, data)!;

        Assert.All(result.Find(null, RecallSteps.One, masked: false).Ranks, rank => Assert.Equal(1, rank));
        Assert.All(result.Find(null, RecallSteps.One, masked: true).Ranks, rank => Assert.Equal(0, rank));
    }

    [Fact]
    public void The_online_run_fits_all_but_the_last_item_for_the_passes_and_with_the_weights_of_the_strict_one()
    {
        Run(Protocol.Strict);

        var online = Run(Protocol.Online)!;

        Assert.Equal([0, 1, 2], _family.Histories[0].Items);
        Assert.Equal(1, _family.Recipe.GetProperty("stages")[0].GetProperty("epochs").GetInt32());
        Assert.Equal(2, _family.Recipe.GetProperty("n").GetInt32());
        Assert.False(_family.Calibrated);
        Assert.All(online.Curve, point => Assert.Null(point.Ndcg));
        Assert.Equal(2, online.Curve.Count);
    }

    [Fact]
    public void The_online_run_before_the_strict_one_is_refused() =>
        Assert.Contains("run the strict protocol first", Assert.Throws<InvalidOperationException>(() => Run(Protocol.Online)).Message, StringComparison.Ordinal);

    [Fact]
    public void Evidence_is_counted_on_what_is_fitted()
    {
        var counted = new List<int>();
        var runner = new ExperimentRunner(
            new ResultStore(_directory), (_, _, train) => { counted.Add(train[0].Items.Length); return NoEvidence.Instance; }, "test", TimeProvider.System);

        runner.Run(Experiment(Protocol.Strict), CancellationToken.None);
        runner.Run(Experiment(Protocol.Online), CancellationToken.None);

        Assert.Equal([2, 3], counted);
    }

    [Fact]
    public void A_run_that_another_process_has_is_left_to_it()
    {
        using var claim = new ResultStore(_directory).TryClaim(Experiment(Protocol.Strict));

        Assert.NotNull(claim);
        Assert.Null(Run(Protocol.Strict));
    }

    [Fact]
    public void A_run_that_was_stopped_goes_on_where_it_was()
    {
        using var stop = new CancellationTokenSource();
        _family.StopAt = (Stage: 1, Epoch: 2, stop);
        Assert.Throws<OperationCanceledException>(() => RunUntil(stop.Token));
        _family.StopAt = default;

        var result = Run(Protocol.Strict)!;

        Assert.Equal([1, 1], result.Epochs);
        Assert.Equal(["one 1", "one 2", "one 3", "two 1", "two 2", "two 3"], result.Curve.Select(p => $"{p.Stage} {p.Epoch}"));
        Assert.Equal(4, result.Variants.Count);
    }

    [Fact]
    public void What_differs_in_data_recipe_protocol_or_seed_is_another_experiment()
    {
        var one = Experiment(Protocol.Strict);
        var other = Data([new UserHistory("u", [0, 1, 2])]);

        Assert.Equal(5, new[] { one, one with { Data = other }, one with { Seed = 2 }, one.Strict with { Protocol = Protocol.Online },
            new Experiment(_data, _family, "r", JsonDocument.Parse("{}").RootElement, Protocol.Strict, 1) }.Select(e => e.Key).Distinct().Count());
        Assert.Equal(one.Key, Experiment(Protocol.Strict).Key);
    }

    [Fact]
    public void A_row_changes_its_recipe_by_path_and_says_when_there_is_no_such_place()
    {
        var row = new TableRow { Name = "r", Recipe = "x", Set = new Dictionary<string, JsonElement> { ["stages.1.epochs"] = JsonSerializer.SerializeToElement(3) } };

        var commented = JsonDocument.Parse(
            """{"stages":[{"epochs":5},{/* most */"epochs":7}]}""", new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip }).RootElement;
        Assert.Equal(3, row.Apply(commented).GetProperty("stages")[1].GetProperty("epochs").GetInt32());
        Assert.Equal(3, row.Apply(Recipe).GetProperty("stages")[1].GetProperty("epochs").GetInt32());
        Assert.Equal(5, row.Apply(Recipe).GetProperty("stages")[0].GetProperty("epochs").GetInt32());
        var wrong = row with { Set = new Dictionary<string, JsonElement> { ["stages.2.epochs"] = default } };
        Assert.Contains("stages.2.epochs", Assert.Throws<ArgumentException>(() => wrong.Apply(Recipe)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_outcome_has_the_mean_and_the_deviation_of_its_seeds_and_passes_when_the_mean_does()
    {
        var row = new TableRow { Name = "r", Recipe = "x", Goal = new Dictionary<string, double> { ["hr@10"] = 0.5 } };
        var outcome = new TableOutcome(row, [Result(1, 0, 0, 0), Result(1, 1, 0, 0), Result(1, 1, 1, 0)]);

        Assert.Equal(0.5, outcome.Mean("hr@10"), 12);
        Assert.Equal(0.25, outcome.Deviation("hr@10"), 12);
        Assert.True(outcome.Passed);
        Assert.False((outcome with { Results = [Result(0, 0)] }).Passed);
        Assert.Null((outcome with { Row = new TableRow { Name = "r", Recipe = "x" } }).Passed);
    }

    [Fact]
    public void Rows_have_the_published_order_when_each_published_as_better_is_better()
    {
        TableOutcome[] rows = [Outcome(0.3, 1, 1, 0), Outcome(0.2, 1, 0, 0)];

        Assert.True(TableOutcome.SameOrder(rows, "hr@10"));
        Assert.False(TableOutcome.SameOrder([rows[0], Outcome(0.2, 1, 1, 1)], "hr@10"));
        Assert.True(TableOutcome.SameOrder([rows[0], Outcome(0.3, 1, 1, 1)], "hr@10"));

        static TableOutcome Outcome(double published, params byte[] ranks) => new(
            new TableRow { Name = "r", Recipe = "x", Published = new Dictionary<string, double> { ["hr@10"] = published } }, [Result(ranks)]);
    }

    private static ExperimentData Data(UserHistory[] users)
    {
        var catalogue = new Catalogue();
        for (var item = 0; item <= users.Max(user => user.Items.Max()); item++)
        {
            catalogue.Add($"i{item}");
        }

        return new ExperimentData("steps", catalogue, new Histories(users, []));
    }

    private static ExperimentResult Result(params byte[] ranks) => new()
    {
        Data = "d",
        DataHash = "",
        Family = "f",
        Recipe = "r",
        RecipeHash = "",
        Protocol = Protocol.Strict,
        Seed = 1,
        Seconds = 1,
        Machine = "",
        CodeVersion = "",
        Date = default,
        Calibrated = Recipe,
        Epochs = [1],
        Curve = [],
        Cases = new Breakdown([], []),
        Variants = [new ResultVariant { Stage = 1, SecondStep = 0, Chosen = true, Masked = true, Metrics = new Dictionary<string, double>(), Ranks = ranks }],
    };

    private Experiment Experiment(Protocol protocol, ExperimentData? data = null) => new(data ?? _data, _family, "r", Recipe, protocol, 1);

    private ExperimentResult? Run(Protocol protocol, ExperimentData? data = null) => Runner.Run(Experiment(protocol, data), CancellationToken.None);

    private ExperimentResult? RunUntil(CancellationToken stop) => Runner.Run(Experiment(Protocol.Strict), stop);

    private ExperimentRunner Runner => new(new ResultStore(_directory), (_, _, _) => NoEvidence.Instance, "test", TimeProvider.System);

    /// <summary>Two stages of a model that steps by one from the beginning: the first pass of each is its best.</summary>
    private sealed class StagedFamily : IModelFamily
    {
        public int Created { get; private set; }

        public IReadOnlyList<UserHistory> Histories { get; set; } = [];

        public JsonElement Recipe { get; private set; }

        public bool Calibrated { get; set; }

        public (int Stage, int Epoch, CancellationTokenSource? Stop) StopAt { get; set; }

        public string Name => "staged";

        public void CheckRecipe(JsonElement recipe)
        {
        }

        public IModel Load(string directory, CheckpointManifest manifest, ModelContext context) => throw new NotSupportedException();

        public ITrainableModel Create(JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed)
        {
            (Created, Recipe, Histories, Calibrated) = (Created + 1, recipe, [], false);
            return new Staged(this, recipe);
        }
    }

    private sealed class Staged(StagedFamily family, JsonElement recipe) : ITrainableModel, ITwoStepRecall
    {
        private readonly List<UserHistory> _seen = [];
        private int _stage;
        private int _steps;

        public ModelVersion Version { get; } = new("staged", 0);

        public IReadOnlyList<TrainingStage> Stages { get; } =
            [.. recipe.GetProperty("stages").EnumerateArray().Select(s => new TrainingStage(s.GetProperty("name").GetString()!, s.GetProperty("epochs").GetInt32(), 2, 100))];

        public int SecondStep { get; private set; } = recipe.TryGetProperty("n", out var n) ? n.GetInt32() : 0;

        public void BeginStage(int stage) => (_stage, _steps) = (stage, 0);

        public void Calibrate(IReadOnlyList<TestCase> validation) => (SecondStep, family.Calibrated) = (2, true);

        public void SaveState(string directory) => File.WriteAllText(Path.Combine(directory, "s"), $"{_stage} {_steps}");

        public void LoadState(string directory)
        {
            var words = File.ReadAllText(Path.Combine(directory, "s")).Split(' ');
            (_stage, _steps) = (int.Parse(words[0]), int.Parse(words[1]));
        }

        public double TrainStep(IReadOnlyList<UserHistory> batch)
        {
            _seen.AddRange(batch);
            family.Histories = [.. _seen.OrderBy(h => h.UserId, StringComparer.Ordinal)];
            _steps++;
            if (family.StopAt.Stop is { } stop && (_stage, _steps) == (family.StopAt.Stage, family.StopAt.Epoch))
            {
                stop.Cancel();
            }

            return 1;
        }

        public CheckpointContent Save(string directory, IReadOnlyList<UserHistory> goldenHistories) =>
            new(JsonSerializer.SerializeToElement(new { stages = recipe.GetProperty("stages"), n = SecondStep }), [], []);

        public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries) => [.. queries.Select(q =>
        {
            var next = q.Window.Span[^1] + 1;
            return q.Masked.Span.Contains(next) ? (IReadOnlyList<RankedItem>)[] : [new RankedItem(next, 1, "step")];
        })];

        public IModel WithSecondStep(int secondStep) => new Staged(family, recipe) { SecondStep = secondStep };

        public void Dispose()
        {
        }
    }
}

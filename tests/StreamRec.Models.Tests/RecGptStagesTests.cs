using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>The recipe's stages, prompts, recall and switches on a model that everybody's circle of 20 items teaches in a second.</summary>
public sealed class RecGptStagesTests : IDisposable
{
    private const string TwoStages = """
        "stages":[
          {"name":"first","loss":"binary-cross-entropy","learningRate":0.01,"epochs":2,"patience":3,"batchSize":4},
          {"name":"second","learningRate":0.005,"prompts":{"mode":"interleave","count":1}}]
        """;

    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-recgpt-").FullName;
    private readonly Catalogue _catalogue = new();
    private readonly RecGptFamily _family = new();
    private readonly UserHistory[] _histories;

    public RecGptStagesTests()
    {
        for (var i = 0; i < 25; i++)
        {
            _catalogue.Add($"item-{i}");
        }

        _histories = [.. Enumerable.Range(0, 20).Select(u => new UserHistory($"user-{u}", [.. Enumerable.Range(u, 5 + (u % 4)).Select(i => i % 20)]))];
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Stages_are_those_of_the_recipe()
    {
        using var model = Create(TwoStages);

        Assert.Equal([new TrainingStage("first", 2, 3, 4), new TrainingStage("second", 40, 4, 128)], model.Stages);
        Assert.ThrowsAny<Exception>(() => model.BeginStage(2));
    }

    [Theory]
    [InlineData("""{"mode":"tail-replace","count":1}""")]
    [InlineData("""{"mode":"tail-replace","count":6}""")]
    [InlineData("""{"mode":"interleave","count":1}""")]
    [InlineData("""{"mode":"interleave","count":2}""")]
    [InlineData("""{"mode":"interleave","count":0}""")]
    public void A_second_stage_with_prompts_goes_on_learning_what_comes_next(string prompts)
    {
        using var model = Create($$"""
            "stages":[{"loss":"binary-cross-entropy","learningRate":0.01},{"learningRate":0.01,"prompts":{{prompts}}}]
            """);

        Train(model, 20);
        model.BeginStage(1);
        var first = model.TrainStep(_histories);
        Train(model, 60);

        Assert.InRange(model.TrainStep(_histories), 0, first / 2);
    }

    [Theory]
    [InlineData("""{"attention":"causal-flow"}""")]
    [InlineData("""{"preNorm":true}""")]
    [InlineData("""{"userEmbedding":false}""")]
    [InlineData("""{"members":2}""")]
    [InlineData("""{"members":3,"tiedHead":false}""")]
    [InlineData("""{"tiedHead":false}""")]
    [InlineData("""{"embeddingDropout":0.1}""")]
    [InlineData("""{"legacy":{"paddedWindows":true}}""")]
    [InlineData("""{"attention":"causal-flow","tiedHead":false,"legacy":{"paddedWindows":true,"leakyPrompts":true,"zeroSuppression":true}}""")]
    [InlineData("""{"tiedHead":false,"legacy":{"paddedWindows":true,"leakyPrompts":true,"recallPrompts":"before-last","recallPromptCount":2}}""")]
    [InlineData("""{"legacy":{"paddedWindows":true,"recallPrompts":"before-each"}}""")]
    public void A_model_with_a_switch_trains_is_saved_and_grows_with_its_parent_s_answers(string model)
    {
        using var parent = Create(TwoStages, model);
        Train(parent, 10);
        parent.BeginStage(1);
        Train(parent, 10);
        var manifest = Save(parent);

        using var loaded = _family.Load(_directory, manifest, Context());
        Assert.Equal(Numbers(parent, "user-3", [1, 2, 3]), Numbers(loaded, "user-3", [1, 2, 3]));

        using var child = Create(TwoStages, model, new TrainingVocabulary([22, 3, 24], ["user-3", "newcomer"]), manifest);
        Assert.Equal(Ask(parent, "user-3", [1, 2, 3])[0].Score, Ask(child, "user-3", [1, 2, 3]).Single(i => i.Item == Ask(parent, "user-3", [1, 2, 3])[0].Item).Score, 1e-4f);
        Assert.Contains(Ask(child, "newcomer", [22], 30), item => item.Item == 24);
        Train(child, 1);
    }

    [Fact]
    public void A_parent_without_the_recipe_s_head_is_refused_by_name()
    {
        using var parent = Create(TwoStages);
        var manifest = Save(parent);

        var refused = Assert.Throws<ArgumentException>(
            () => Create(TwoStages, """{"tiedHead":false}""", new TrainingVocabulary([1], []), manifest));

        Assert.Contains("Only one of the recipe and the parent has output_layer.", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"userDropout":0}""", false)]
    [InlineData("""{"userDropout":0.5}""", true)]
    public void The_cold_user_s_row_learns_by_user_dropout_only(string config, bool learns)
    {
        using var model = Create(TwoStages, config);
        var before = Ask(model, "nobody", [1, 2, 3]);
        Save(model);
        var untrained = ColdRow();

        Train(model, 3);
        Save(model);

        Assert.NotEqual(before, Ask(model, "nobody", [1, 2, 3]));
        Assert.Equal(learns, !untrained.SequenceEqual(ColdRow()));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"members":2}""")]
    public void A_run_of_two_stages_resumes_in_its_stage_bit_for_bit(string config)
    {
        using var whole = Create(TwoStages, config);
        Train(whole, 3);
        whole.BeginStage(1);
        Train(whole, 2);
        whole.SaveState(_directory);
        Train(whole, 3);

        using var resumed = Create(TwoStages, config);
        resumed.LoadState(_directory);
        Train(resumed, 3);

        Assert.Equal(Ask(whole, "user-1", [5, 6]), Ask(resumed, "user-1", [5, 6]));
    }

    [Fact]
    public void A_two_step_list_ends_with_items_of_the_second_step_and_its_scores_never_rise()
    {
        using var model = Create(TwoStages);
        model.BeginStage(1);
        Train(model, 120);
        var one = Numbers(model, "user-2", [2, 3, 4]);

        using var variant = ((ITwoStepRecall)model).WithSecondStep(3);
        var list = Ask(variant, "user-2", [2, 3, 4]);

        Assert.Equal(one[..7], list.Select(item => item.Item).Take(7));
        Assert.Equal(10, list.Select(item => item.Item).Distinct().Count());
        Assert.Equal(list.OrderByDescending(item => item.Score).Select(item => item.Score), list.Select(item => item.Score));
        Assert.Equal(0, ((ITwoStepRecall)model).SecondStep);
    }

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 1, 1)]
    [InlineData(5, 1, 1)]
    [InlineData(5, 5, 3)]
    [InlineData(10, 2, 2)]
    [InlineData(20, 1, 2)]
    [InlineData(20, 0, 0)]
    public void The_second_step_s_share_is_kept_for_lists_of_other_lengths(int k, int ofTen, int n) =>
        Assert.Equal(n, RecGptRecall.SecondOf(k, ofTen));

    [Fact]
    public void Calibration_takes_the_second_step_that_ranks_validation_best_and_the_checkpoint_keeps_it()
    {
        using var model = Create(TwoStages);
        model.BeginStage(1);
        Train(model, 120);
        // What only the longest second step brings into the list.
        var twoStep = (ITwoStepRecall)model;
        var cases = (from history in _histories
                     let window = history.Items[..2]
                     let four = Numbers(twoStep.WithSecondStep(4), history.UserId, window)
                     from item in Numbers(twoStep.WithSecondStep(5), history.UserId, window).Except(four)
                     select new TestCase(history.UserId, window, item)).ToArray();
        Assert.NotEmpty(cases);

        model.Calibrate(cases);

        Assert.Equal(5, twoStep.SecondStep);
        using var loaded = _family.Load(_directory, Save(model), Context());
        Assert.Equal(5, ((ITwoStepRecall)loaded).SecondStep);
        Assert.Equal(Numbers(model, "user-4", [4, 5]), Numbers(loaded, "user-4", [4, 5]));
    }

    [Fact]
    public void A_second_step_that_the_recipe_fixes_stays()
    {
        using var model = Create(TwoStages + """, "recall":{"n":2}""");

        model.Calibrate([new TestCase("user-1", _histories[1].Items, 3)]);

        Assert.Equal(2, ((ITwoStepRecall)model).SecondStep);
    }

    [Fact]
    public void What_was_shown_and_not_taken_becomes_a_prompt_before_what_the_model_makes_up()
    {
        using var random = TorchRandom.Enter(1);
        using var network = new RecGptNetwork(Small, itemRows: 21, userRows: 2);
        network.Train(false);
        var window = new TrainingWindow(1, [3, 4, 5], [4, 5, 6], null, [[], [11, 12], []]);

        var prompted = RecGptPrompts.Insert(network, Small, [window], new RecGptPromptOptions { Mode = RecGptPromptMode.Interleave, Count = 1 })[0];

        Assert.Equal([3, prompted.Items[1], 4, 12, 5], prompted.Items);
        Assert.InRange(prompted.Items[1], 1, 20);
        Assert.Equal([4, 0, 5, 0, 6], prompted.Targets);
        Assert.Equal([0, 1, 0, 1, 0], prompted.Segments!);
    }

    [Fact]
    public void Prompts_for_a_batch_are_those_for_each_window_alone()
    {
        using var random = TorchRandom.Enter(1);
        using var network = new RecGptNetwork(Small, itemRows: 21, userRows: 2);
        network.Train(false);
        TrainingWindow[] windows = [.. Enumerable.Range(1, 6).Select(n => new TrainingWindow(
            n % 2, [.. Enumerable.Range(n, n)], [.. Enumerable.Range(n + 1, n)]))];

        foreach (var mode in new[] { RecGptPromptMode.TailReplace, RecGptPromptMode.Interleave })
        {
            var options = new RecGptPromptOptions { Mode = mode, Count = 2 };
            var together = RecGptPrompts.Insert(network, Small, windows, options);
            foreach (var (i, window) in windows.Index())
            {
                Assert.Equal(RecGptPrompts.Insert(network, Small, [window], options)[0].Items, together[i].Items);
                Assert.True(together[i].Items.Length <= Small.MaxLength && !together[i].Items.Contains(0));
            }
        }
    }

    [Theory]
    [InlineData("binary-cross-entropy", "all-positions", 0)]
    [InlineData("binary-cross-entropy", "prefixes", 0)]
    [InlineData("binary-cross-entropy", "prefixes", 0.3)]
    [InlineData("sampled-softmax", "all-positions", 0)]
    [InlineData("sampled-softmax", "prefixes", 0.3)]
    public void What_was_shown_and_not_taken_is_learnt_as_a_negative(string loss, string targets, double itemDropout)
    {
        // Item 19 is shown to everybody before every item, and half of it is never taken: it must end below the rest of what is never taken.
        UserHistory[] histories = [.. Enumerable.Range(0, 20).Select(u => new UserHistory($"user-{u}", [.. Enumerable.Range(u, 6).Select(i => i % 10)])
        {
            Shown = [.. Enumerable.Range(1, 5).Select(after => new Impression(19, after))],
        })];
        using var model = Create(FormattableString.Invariant($$"""
            "stages":[{"loss":"{{loss}}","negatives":4,"targets":"{{targets}}","itemDropout":{{itemDropout}},"learningRate":0.01}]
            """));
        for (var i = 0; i < 100; i++)
        {
            model.TrainStep(histories);
        }

        Assert.Equal(19, Ask(model, "user-1", [1, 2, 3], 20).Last(item => item.Item >= 10).Item);
    }

    [Theory]
    [InlineData("all-positions", 8)]
    [InlineData("prefixes", 1)]
    public void All_of_a_history_is_learnt_that_is_longer_than_the_model_reads(string targets, int every)
    {
        // The model reads 8 items, so windows of all positions end at 19, 11 and 3.
        UserHistory[] histories = [new("long", [.. Enumerable.Range(0, 20)])];
        using var model = Create($$"""
            "stages":[{"targets":"{{targets}}","learningRate":0.01}]
            """, """{"userEmbedding":false}""");

        for (var i = 0; i < 300; i++)
        {
            model.TrainStep(histories);
        }

        for (var target = 19; target > 0; target -= every)
        {
            Assert.Equal(target, Numbers(model, "anybody", [.. Enumerable.Range(0, target).TakeLast(8)])[0]);
        }
    }

    [Fact]
    public void Items_left_out_of_windows_teach_what_follows_further_on()
    {
        // Everybody walks the circle, so behind item 3 stands 4; 5 follows it only where the item between was left out.
        using var model = Create("""
            "stages":[{"targets":"prefixes","learningRate":0.01,"itemDropout":0.5}]
            """, """{"userEmbedding":false}""");

        Train(model, 150);

        Assert.Equal([4, 5], Numbers(model, "anybody", [3])[..2]);
    }

    private static RecGptConfig Small => new() { Hidden = 16, Layers = 1, FeedForward = 32, MaxLength = 8, Dropout = 0 };

    private ITrainableModel Create(string keys, string model = "{}", TrainingVocabulary? vocabulary = null, CheckpointManifest? parent = null)
    {
        var merged = new Dictionary<string, JsonElement>(JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(
            """{"hidden":16,"layers":1,"heads":2,"feedForward":32,"maxLength":8,"dropout":0}""")!);
        foreach (var (key, value) in JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(model)!)
        {
            merged[key] = value;
        }

        var recipe = JsonSerializer.Deserialize<JsonElement>($$"""{"model":{{JsonSerializer.Serialize(merged)}},{{keys}}}""");
        return _family.Create(
            recipe, vocabulary ?? new TrainingVocabulary([.. Enumerable.Range(0, 20)], [.. _histories.Select(h => h.UserId)]),
            parent is null ? null : new ParentCheckpoint(_directory, parent.Config), Context(), seed: 3);
    }

    private ModelContext Context() => new(_catalogue, NoEvidence.Instance);

    private void Train(ITrainableModel model, int steps)
    {
        for (var i = 0; i < steps; i++)
        {
            model.TrainStep(_histories);
        }
    }

    private CheckpointManifest Save(ITrainableModel model) => model.Save(_directory, "recgpt", _histories[0], _histories[7]);

    private float[] ColdRow()
    {
        using var scope = Torch.TensorScope.Enter();
        using var file = Torch.SafeTensorsFile.Open(Path.Combine(_directory, "model.safetensors"));
        return file.Read("user_embeddings.weight").Select(0, 0).ToArray<float>();
    }

    private static int[] Numbers(IModel model, string user, int[] window) => [.. Ask(model, user, window).Select(item => item.Item)];

    private static IReadOnlyList<RankedItem> Ask(IModel model, string user, int[] window, int k = 10) =>
        model.Recommend([new ModelQuery(user, window, window, k)])[0];
}

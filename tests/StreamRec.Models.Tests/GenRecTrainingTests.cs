using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.GenRecSeq2Seq;
using static StreamRec.Models.Tests.GenRecWorld;

namespace StreamRec.Models.Tests;

/// <summary>What training reads and writes, and that it goes on where it stopped.</summary>
public sealed class GenRecTrainingTests : IDisposable
{
    private readonly GenRecWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData("masked-item")]
    [InlineData("next-item")]
    public void A_model_that_goes_on_from_a_state_ends_with_the_same_bits(string task)
    {
        var recipe = Recipe("", $$""" "task":"{{task}}","warmUpSteps":3,"decay":"linear","epochs":5,"partTokens":64 """, """ "dropout":0.2,"userDropout":0.3 """);
        using var whole = _world.Create(recipe);
        Steps(whole, 0, 12);
        using var interrupted = _world.Create(recipe);
        Steps(interrupted, 0, 7);
        // An evaluation in between changes nothing.
        Ask(interrupted, "user-3", [1, 2]);
        interrupted.SaveState(_world.Path);

        using var resumed = _world.Create(recipe);
        resumed.LoadState(_world.Path);
        Steps(resumed, 7, 12);

        Assert.Equal(WeightsOf(whole), WeightsOf(resumed));
    }

    [Fact]
    public void A_state_of_another_shape_is_refused()
    {
        using var model = _world.Create(Recipe());
        model.SaveState(_world.Path);
        using var other = _world.Create(Recipe(model: "\"feedForward\":64"));

        Assert.Throws<InvalidDataException>(() => other.LoadState(_world.Path));
    }

    [Fact]
    public void A_step_in_parts_is_the_step_of_the_whole()
    {
        using var whole = _world.Create(Recipe());
        using var parts = _world.Create(Recipe("", "\"partTokens\":64"));

        for (var step = 0; step < 3; step++)
        {
            // Sums in another order: 1e-4 of a loss of about 6.
            Assert.Equal(whole.TrainStep(_world.Histories), parts.TrainStep(_world.Histories), 6e-4);
        }
    }

    [Fact]
    public void Stages_are_those_of_the_recipe_pre_training_first()
    {
        using var model = _world.Create(JsonSerializer.Deserialize<JsonElement>(
            """{"model":{"hidden":16,"heads":2},"stages":[{"task":"masked-item","epochs":2,"patience":3,"batchSize":4},{}]}"""));

        Assert.Equal([new TrainingStage("pre-training", 2, 3, 4), new TrainingStage("fine-tuning", 40, 4, 128)], model.Stages);
        Assert.ThrowsAny<Exception>(() => model.BeginStage(2));
    }

    [Fact]
    public void Pre_training_learns_and_fine_tuning_goes_on_with_its_weights()
    {
        using var model = _world.Create(JsonSerializer.Deserialize<JsonElement>(
            """
            {"model":{"hidden":16,"encoderLayers":1,"decoderLayers":1,"heads":2,"feedForward":32,"maxItems":6,"dropout":0},
             "stages":[{"task":"masked-item","learningRate":0.01,"warmUpSteps":0,"texts":4},{"learningRate":0.01,"warmUpSteps":0}]}
            """));
        var first = model.TrainStep(_world.Histories);
        for (var step = 0; step < 100; step++)
        {
            model.TrainStep(_world.Histories);
        }

        var last = model.TrainStep(_world.Histories);
        model.BeginStage(1);

        Assert.InRange(last, 0, first / 2);
        Assert.InRange(model.TrainStep(_world.Histories), 0, first / 2);
    }

    [Fact]
    public void Three_masks_in_ten_are_on_the_last_item_more_than_chance_puts_there()
    {
        const int Draws = 20_000;
        var (words, examples) = Examples(user: true);
        var stage = new GenRecStage { Task = GenRecTask.MaskedItem };
        var random = new Random(1);
        int[] rows = [1, 2, 3, 4, 5];

        var places = new int[rows.Length];
        for (var i = 0; i < Draws; i++)
        {
            var example = Assert.Single(examples.Of(stage, 1, "user-1", rows, random));
            var place = Array.FindIndex(rows, row => example.Target.SequenceEqual([.. words.Written(row), words.End]));
            places[place]++;
            Assert.Single(example.Text.Tokens, words.Mask);
        }

        // 0.3 + 0.7 / 5 for the last, 0.7 / 5 for each other; 5 standard deviations are 0.018.
        Assert.InRange(places[^1] / (double)Draws, 0.44 - 0.018, 0.44 + 0.018);
        Assert.All(places[..^1], count => Assert.InRange(count / (double)Draws, 0.14 - 0.013, 0.14 + 0.013));
    }

    [Fact]
    public void The_user_is_masked_where_the_stage_says_so_and_the_user_is_known()
    {
        var (words, examples) = Examples(user: true);
        int[] target = [.. words.User("user-1"), words.End];

        Assert.InRange(Masked(maskUser: true, user: 1), 0.7 / 6 - 0.03, (0.7 / 6) + 0.03);
        Assert.Equal(0, Masked(maskUser: true, user: 0));
        Assert.Equal(0, Masked(maskUser: false, user: 1));

        double Masked(bool maskUser, int user)
        {
            var random = new Random(2);
            var stage = new GenRecStage { Task = GenRecTask.MaskedItem, MaskUser = maskUser };
            return Enumerable.Range(0, 5000)
                .Average(_ => examples.Of(stage, user, "user-1", [1, 2, 3, 4, 5], random).Single().Target.SequenceEqual(target) ? 1.0 : 0);
        }
    }

    [Fact]
    public void Every_prefix_is_cut_as_often_as_any_other()
    {
        const int Draws = 8000;
        var (words, examples) = Examples(user: false);
        var random = new Random(3);
        int[] rows = [1, 2, 3, 4, 5, 6, 7, 8, 9];

        var lengths = new int[rows.Length];
        for (var i = 0; i < Draws; i++)
        {
            var example = Assert.Single(examples.Of(new GenRecStage(), 0, "user-1", rows, random));
            var cut = Array.FindIndex(rows, row => example.Target.SequenceEqual([.. words.Written(row), words.End]));
            lengths[cut]++;
            // The six newest items before the target, then the mask.
            Assert.Equal(rows[Math.Max(0, cut - 6)..cut], example.Text.Items.Where(row => row != 0).Where((_, t) => t % 2 == 0));
            Assert.Equal(words.Mask, example.Text.Tokens[^2]);
        }

        Assert.Equal(0, lengths[0]);
        Assert.All(lengths[1..], count => Assert.InRange(count / (double)Draws, 0.125 - 0.02, 0.125 + 0.02));
    }

    [Fact]
    public void Several_texts_of_a_history_have_different_targets()
    {
        var (_, examples) = Examples(user: false);

        var all = examples.Of(new GenRecStage { Texts = 100 }, 0, "user-1", [1, 2, 3, 4, 5], new Random(4)).ToList();

        Assert.Equal(4, all.Select(example => string.Join(' ', example.Target)).Distinct().Count());
        Assert.Equal(4, all.Count);
        Assert.Empty(examples.Of(new GenRecStage(), 0, "user-1", [1], new Random(4)));
    }

    [Fact]
    public void Evidence_that_is_right_is_given_a_weight_that_brings_its_items_into_every_list()
    {
        // It knows the circle backwards: what comes next is the item before.
        var evidence = new Backwards();
        using var model = _world.Family.Create(
            JsonSerializer.Deserialize<JsonElement>(
                """{"model":{"hidden":16,"encoderLayers":1,"decoderLayers":1,"heads":2,"feedForward":32,"maxItems":6},"decoding":{"beams":3}}"""),
            new TrainingVocabulary([.. Enumerable.Range(0, Circle)], [.. _world.Histories.Select(h => h.UserId)]), null,
            new ModelContext(_world.Catalogue, evidence), seed: 3);
        TestCase[] cases = [.. Enumerable.Range(0, Circle).Select(i => new TestCase("user-1", new[] { i }, (i + Circle - 1) % Circle))];

        model.Calibrate(cases);

        Assert.True(((GenRecTraining)model).EvidenceWeight > 0);
        Assert.All(cases, c => Assert.Equal(c.Target, model.Recommend([new ModelQuery(c.UserId, c.History, c.History, 3)])[0][0].Item));
        _world.Catalogue.Describe("item-4", null, null, available: false);
        Assert.DoesNotContain(model.Recommend([new ModelQuery("user-1", new[] { 5 }, new[] { 5, 6 }, 30)])[0], item => item.Item is 4 or 5 or 6);
    }

    private (GenRecWords Words, GenRecExamples Examples) Examples(bool user)
    {
        var words = GenRecWords.Make(new GenRecTextOptions { User = user }, [.. Enumerable.Range(0, Circle).Select(n => _world.Catalogue[n])], 20);
        return (words, new GenRecExamples(words, new GenRecTexts(words, 6, 64), 6));
    }

    private void Steps(ITrainableModel model, int from, int to)
    {
        for (var step = from; step < to; step++)
        {
            model.TrainStep([.. _world.Histories.Skip(step % 4 * 5).Take(5)]);
        }
    }

    private string WeightsOf(ITrainableModel model)
    {
        _world.Save(model);
        return Convert.ToHexString(File.ReadAllBytes(Path.Combine(_world.Path, "model.safetensors")));
    }

    private sealed class Backwards : IEvidence
    {
        public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores) => scores[(window[^1] + Circle - 1) % Circle] += weight * 5;
    }
}

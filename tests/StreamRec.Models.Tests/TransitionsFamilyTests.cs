using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Transitions;

namespace StreamRec.Models.Tests;

public sealed class TransitionsFamilyTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-transitions-").FullName;
    private readonly Catalogue _catalogue = new();
    private readonly TransitionsFamily _family = new();

    // Everybody walks round the same circle of 20 items, from different starts.
    private readonly UserHistory[] _histories;

    public TransitionsFamilyTests()
    {
        for (var i = 0; i < 25; i++)
        {
            _catalogue.Add($"item-{i}");
        }

        _histories = [.. Enumerable.Range(0, 20).Select(u => new UserHistory($"user-{u}", [.. Enumerable.Range(u, 8).Select(i => i % 20)]))];
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_history_is_counted_once_however_often_it_comes()
    {
        using var once = Train(passes: 1);
        using var thrice = Train(passes: 3);

        Assert.Equal(Ask(once, [3, 4]), Ask(thrice, [3, 4]));
        Assert.Equal(5, Ask(once, [3, 4])[0].Item);
    }

    [Fact]
    public void What_the_context_has_counted_is_taken_whole()
    {
        using var trained = Train(passes: 1);
        var context = new ModelContext(_catalogue, TransitionEvidence.Count(new TransitionsSettings(), _histories, 0));
        using var given = _family.Create(default, Vocabulary, null, context, 1);
        given.TrainStep(_histories[..3]);

        Assert.Equal(Ask(trained, [3, 4]), Ask(given, [3, 4]));
    }

    [Fact]
    public void A_saved_model_is_loaded_with_the_same_answers()
    {
        using var trained = Train(passes: 1);
        using var loaded = _family.Load(_directory, Save(trained), new ModelContext(_catalogue, NoEvidence.Instance));

        Assert.Equal("transitions@7", loaded.Version.ToString());
        Assert.All(_histories, history => Assert.Equal(Ask(trained, history.Items), Ask(loaded, history.Items)));
    }

    [Fact]
    public void A_state_goes_on_where_it_was()
    {
        using var trained = Train(passes: 1);
        trained.SaveState(_directory);
        using var resumed = _family.Create(default, Vocabulary, null, new ModelContext(_catalogue, NoEvidence.Instance), 1);
        resumed.LoadState(_directory);

        Assert.Equal(Ask(trained, [3, 4]), Ask(resumed, [3, 4]));
    }

    [Fact]
    public void Lists_hold_no_masked_withdrawn_or_unknown_item_and_none_comes_without_a_known_window()
    {
        using var model = Train(passes: 1);
        _catalogue.Describe("item-9", null, null, available: false);

        var lists = model.Recommend([new ModelQuery("u", new[] { 7, 8 }, new[] { 7, 8, 10, 24 }, 100), new ModelQuery("u", new[] { 24 }, default, 5)]);

        Assert.Equal(16, lists[0].Count);
        Assert.DoesNotContain(lists[0], item => item.Item is 7 or 8 or 9 or 10 || item.Item >= 20);
        Assert.Empty(lists[1]);
    }

    [Fact]
    public void Tuning_finds_the_settings_that_validation_likes_and_saves_them()
    {
        // What comes next is what came three steps after, and nearer items are noise: only a far reach finds it.
        var random = new Random(1);
        UserHistory[] histories = [.. Enumerable.Range(0, 200).Select(u => new UserHistory($"{u}", [u % 5, .. Enumerable.Range(0, 7).Select(_ => 10 + random.Next(10)), 5 + (u % 5)]))];
        using var model = _family.Create(
            JsonSerializer.Deserialize<JsonElement>("""{ "tune": true, "transitions": { "reach": 5 } }"""), Vocabulary, null, new ModelContext(_catalogue, NoEvidence.Instance), 1);
        model.TrainStep(histories);
        TestCase[] validation = [.. Enumerable.Range(0, 50).Select(u => new TestCase("x", (int[])[u % 5, .. Enumerable.Range(0, 7).Select(_ => 10 + random.Next(10))], 5 + (u % 5)))];

        model.Calibrate(validation);

        Assert.True(Save(model).Config.GetProperty("transitions").GetProperty("reach").GetInt32() >= 10);
    }

    [Theory]
    [InlineData("truncated", "transitions.safetensors")]
    [InlineData("missing", "transitions.safetensors")]
    [InlineData("vocabulary", "occurrences is Int32 [21]; expected Int32 [20]")]
    [InlineData("golden", "does not reproduce")]
    [InlineData("no golden", "no golden inputs")]
    [InlineData("config", "transitions.reach is 0")]
    public void A_checkpoint_with_a_fault_is_refused_with_its_reason(string fault, string reason)
    {
        using var model = Train(passes: 1);
        var manifest = Damage(fault, Save(model));

        var refused = Assert.Throws<CheckpointRejectedException>(() => _family.Load(_directory, manifest, new ModelContext(_catalogue, NoEvidence.Instance)));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.StartsWith("transitions@7: ", refused.Message, StringComparison.Ordinal);
    }

    private static TrainingVocabulary Vocabulary { get; } = new([.. Enumerable.Range(0, 20)], []);

    private CheckpointManifest Damage(string fault, CheckpointManifest manifest)
    {
        var counts = Path.Combine(_directory, "transitions.safetensors");
        switch (fault)
        {
            case "truncated":
                File.WriteAllBytes(counts, File.ReadAllBytes(counts)[..^1]);
                break;
            case "missing":
                File.Delete(counts);
                break;
            case "vocabulary":
                var items = Path.Combine(_directory, "items.tsv");
                File.WriteAllLines(items, File.ReadAllLines(items)[..^1]);
                break;
            case "golden":
                return manifest with { Golden = [manifest.Golden[0] with { Scores = [.. manifest.Golden[0].Scores.Select(s => s + 1)] }] };
            case "no golden":
                return manifest with { Golden = [] };
            case "config":
                return manifest with { Config = JsonSerializer.Deserialize<JsonElement>("""{ "transitions": { "reach": 0 } }""") };
        }

        return manifest;
    }

    private ITrainableModel Train(int passes)
    {
        var model = _family.Create(default, Vocabulary, null, new ModelContext(_catalogue, NoEvidence.Instance), 1);
        for (var pass = 0; pass < passes; pass++)
        {
            model.TrainStep(_histories);
        }

        return model;
    }

    private CheckpointManifest Save(ITrainableModel model) => model.Save(_directory, "transitions", _histories[0], _histories[7]);

    private static IReadOnlyList<RankedItem> Ask(IModel model, int[] window) => model.Recommend([new ModelQuery("u", window, window, 5)])[0];
}

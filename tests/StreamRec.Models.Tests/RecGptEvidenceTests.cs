using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.RecGpt;
using StreamRec.Models.Transitions;

namespace StreamRec.Models.Tests;

public sealed class RecGptEvidenceTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-evidence-").FullName;
    private readonly Catalogue _catalogue = new();
    private readonly RecGptFamily _family = new();

    // What follows an item is the one ten numbers on; the network has not been trained and does not know it.
    private readonly TestCase[] _cases;

    public RecGptEvidenceTests()
    {
        for (var i = 0; i < 30; i++)
        {
            _catalogue.Add($"item-{i}");
        }

        _cases = [.. Enumerable.Range(0, 15).Select(u => new TestCase($"user-{u}", new[] { u }, u + 10))];
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_weight_that_the_recipe_gives_is_used_as_it_is()
    {
        using var model = Create("""{ "weight": 50 }""", new TenOn());

        Assert.All(_cases, test => Assert.Equal(test.Target, Ask(model, test)[0].Item));
    }

    [Fact]
    public void Validation_chooses_the_weight_and_the_checkpoint_keeps_it()
    {
        using var model = Create("""{ "weight": null }""", new TenOn());
        Assert.Equal(0, ((RecGptModel)model).EvidenceWeight);

        model.Calibrate(_cases);

        Assert.InRange(((RecGptModel)model).EvidenceWeight, 0.05f, 4);
        Assert.True(_cases.Count(test => Ask(model, test)[0].Item == test.Target) > 10);
        var manifest = Save(model);
        using var loaded = (RecGptModel)_family.Load(_directory, manifest, new ModelContext(_catalogue, new TenOn()));
        Assert.Equal(((RecGptModel)model).EvidenceWeight, loaded.EvidenceWeight, 1e-4f);
    }

    [Fact]
    public void Evidence_of_nothing_gets_no_weight()
    {
        using var model = Create("""{ "weight": null }""", NoEvidence.Instance);

        model.Calibrate(_cases);

        Assert.Equal(0, ((RecGptModel)model).EvidenceWeight);
    }

    [Fact]
    public void A_checkpoint_is_proved_without_evidence_whatever_the_stream_says_when_it_is_loaded()
    {
        using var model = Create("""{ "weight": 50 }""", new TenOn());
        var manifest = Save(model);

        using var loaded = _family.Load(_directory, manifest, new ModelContext(_catalogue, NoEvidence.Instance));

        Assert.NotEqual(Ask(model, _cases[0])[0].Score, Ask(loaded, _cases[0])[0].Score);
    }

    [Fact]
    public void Counts_of_another_decay_are_refused_with_both_named()
    {
        using var model = Create("""{ "weight": 1 }""", TransitionEvidence.Count(new TransitionsSettings(), [], 0));
        var manifest = Save(model);
        var other = TransitionEvidence.Count(new TransitionsSettings { Reach = 3 }, [], 0);

        var refused = Assert.Throws<CheckpointRejectedException>(() => _family.Load(_directory, manifest, new ModelContext(_catalogue, other)));

        Assert.Contains("counted with decay Power 0.5 up to distance 3; they cannot be asked with Power 0.5 up to distance 10", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Masked_items_stay_out_however_strong_the_evidence()
    {
        using var model = Create("""{ "weight": 50 }""", new TenOn());

        var list = model.Recommend([new ModelQuery("nobody", new[] { 3 }, new[] { 3, 13 }, 30)])[0];

        Assert.DoesNotContain(list, item => item.Item is 3 or 13);
    }

    private ITrainableModel Create(string evidence, IEvidence context)
    {
        var recipe = JsonSerializer.Deserialize<JsonElement>(
            $$"""{ "model": { "hidden": 16, "layers": 1, "heads": 2, "feedForward": 32, "maxLength": 6 }, "recall": { "n": 0 }, "evidence": {{evidence}} }""");
        return _family.Create(recipe, new TrainingVocabulary([.. Enumerable.Range(0, 30)], []), null, new ModelContext(_catalogue, context), seed: 3);
    }

    private CheckpointManifest Save(ITrainableModel model) => model.Save(_directory, "recgpt", new UserHistory("u", [1, 2, 3]));

    private static IReadOnlyList<RankedItem> Ask(IModel model, TestCase test) =>
        model.Recommend([new ModelQuery(test.UserId, test.History, test.History, 5)])[0];

    /// <summary>Speaks for the item ten numbers after the newest.</summary>
    private sealed class TenOn : IEvidence
    {
        public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores)
        {
            if (!window.IsEmpty && window[^1] + 10 < scores.Length)
            {
                scores[window[^1] + 10] += weight;
            }
        }
    }
}

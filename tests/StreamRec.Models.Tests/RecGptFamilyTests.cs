using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

public sealed class RecGptFamilyTests : IDisposable
{
    private static readonly JsonElement Recipe = JsonSerializer.Deserialize<JsonElement>(
        """{"model":{"hidden":16,"layers":1,"heads":2,"feedForward":32,"maxLength":6,"dropout":0},"stages":[{"learningRate":0.01}]}""");

    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-recgpt-").FullName;
    private readonly Catalogue _catalogue = new();
    private readonly RecGptFamily _family = new();

    // Everybody walks round the same circle of 20 items, from different starts.
    private readonly UserHistory[] _histories;

    public RecGptFamilyTests()
    {
        for (var i = 0; i < 25; i++)
        {
            _catalogue.Add($"item-{i}");
        }

        _histories = [.. Enumerable.Range(0, 20).Select(u => new UserHistory($"user-{u}", [.. Enumerable.Range(u, 8).Select(i => i % 20)]))];
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("full-softmax", 120)]
    [InlineData("sampled-softmax", 120)]
    [InlineData("binary-cross-entropy", 600)]
    public void Training_learns_what_comes_next(string loss, int steps)
    {
        using var model = Train(steps, loss);

        Assert.All(_histories, history => Assert.Equal((history.Items[^1] + 1) % 20, Ask(model, history.UserId, history.Items)[0].Item));
    }

    [Fact]
    public void A_saved_model_is_loaded_with_the_same_answers()
    {
        using var trained = Train(30);
        var manifest = Save(trained);
        using var loaded = _family.Load(_directory, manifest, new ModelContext(_catalogue, NoEvidence.Instance));

        Assert.Equal("recgpt@7", loaded.Version.ToString());
        foreach (var history in _histories)
        {
            var (expected, actual) = (Ask(trained, history.UserId, history.Items), Ask(loaded, history.UserId, history.Items));
            Assert.Equal(expected.Select(item => item.Item), actual.Select(item => item.Item));
        }
    }

    [Fact]
    public void Lists_hold_no_masked_withdrawn_or_unknown_item_and_are_never_padded()
    {
        using var model = Train(30);
        _catalogue.Describe("item-9", null, null, available: false);

        var list = model.Recommend([new ModelQuery("user-0", new[] { 7, 8 }, new[] { 7, 8, 10, 10 }, 100)])[0];

        Assert.Equal(16, list.Count);
        Assert.Equal(list.Count, list.Select(item => item.Item).Distinct().Count());
        Assert.DoesNotContain(list, item => item.Item is 7 or 8 or 9 or 10 || item.Item >= 20);
        Assert.Equal(list.OrderByDescending(item => item.Score), list);
    }

    [Fact]
    public void A_window_without_a_known_item_gets_no_list()
    {
        using var model = Train(1);
        var later = _catalogue.Add("added after training");

        var lists = model.Recommend([new ModelQuery("nobody", new[] { later }, default, 5), new ModelQuery("nobody", new[] { later, 3 }, default, 5)]);

        Assert.Empty(lists[0]);
        Assert.Equal(5, lists[1].Count);
    }

    [Fact]
    public void A_batch_gives_the_lists_that_single_questions_give()
    {
        using var model = Train(30);
        ModelQuery[] queries = [.. _histories.Select((h, i) => new ModelQuery(h.UserId, h.Items.AsMemory(0, 1 + (i % 8)), default, 5))];

        var together = model.Recommend(queries);

        for (var i = 0; i < queries.Length; i++)
        {
            Assert.Equal(model.Recommend([queries[i]])[0].Select(item => item.Item), together[i].Select(item => item.Item));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_weights()
    {
        using var first = Train(20);
        using var second = Train(20);

        Assert.Equal(Ask(first, "user-3", [4, 5]), Ask(second, "user-3", [4, 5]));
    }

    [Fact]
    public void A_child_keeps_its_parents_rows_and_gains_new_ones()
    {
        using var parent = Train(200);
        using var child = _family.Create(
            Recipe, new TrainingVocabulary([22, 3, 24], ["user-5", "newcomer"]), Parent(parent), new ModelContext(_catalogue, NoEvidence.Instance), seed: 9);

        Assert.Equal(Ask(parent, "user-5", [1, 2, 3])[0], Ask(child, "user-5", [1, 2, 3])[0]);
        Assert.Contains(child.Recommend([new ModelQuery("newcomer", new[] { 22 }, default, 30)])[0], item => item.Item == 24);
    }

    [Fact]
    public void A_user_that_the_journal_has_no_more_is_in_no_child()
    {
        using var parent = Train(50);
        using var child = _family.Create(
            Recipe, new TrainingVocabulary([1], ["user-7", "user-3"]), Parent(parent), new ModelContext(_catalogue, NoEvidence.Instance), seed: 9);

        Assert.Equal(Ask(parent, "user-3", [1, 2, 3]), Ask(child, "user-3", [1, 2, 3]));
        // user-5 was forgotten: the child answers as for anybody unknown.
        Assert.Equal(Ask(child, "nobody", [1, 2, 3]), Ask(child, "user-5", [1, 2, 3]));
        Save(child);
        Assert.DoesNotContain("user-5", File.ReadAllText(Path.Combine(_directory, "users.tsv")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"hidden":32,"layers":1,"maxLength":6}""", "the shape [21, 32], the parent has [21, 16]")]
    [InlineData("""{"hidden":16,"layers":1,"heads":2,"feedForward":32,"maxLength":9}""", "position_embeddings.weight the shape [9, 16], the parent has [6, 16]")]
    [InlineData("""{"hidden":16,"layers":1,"heads":4,"feedForward":32,"maxLength":6}""", "model.heads 4, the parent 2")]
    [InlineData("""{"hidden":16,"layers":1,"heads":2,"feedForward":32,"maxLength":6,"attention":"causal-flow"}""", "model.attention CausalFlow, the parent Softmax")]
    public void A_parent_of_another_shape_or_meaning_is_refused_by_name(string model, string reason)
    {
        using var parent = Train(1);
        var from = Parent(parent);
        var other = JsonSerializer.Deserialize<JsonElement>($$"""{"model":{{model}}}""");

        var refused = Assert.Throws<ArgumentException>(() => _family.Create(other, new TrainingVocabulary([1], []), from, new ModelContext(_catalogue, NoEvidence.Instance), 1));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.Contains("use the parent's recipe", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"hidden\":16", "\"hidden\":4096", "item_embeddings.weight is [21, 16]; expected [21, 4096]")]
    [InlineData("\"feedForward\":32", "\"feedForward\":16384", "ffn.linear1.weight is [32, 16]; expected [16384, 16]")]
    [InlineData("\"layers\":1", "\"layers\":64", "layers.63.ffn.linear1.weight is missing")]
    [InlineData("\"members\":1", "\"members\":8", "members.0.item_embeddings.weight is missing")]
    [InlineData("\"maxLength\":6", "\"maxLength\":4096", "position_embeddings.weight is [6, 16]; expected [4096, 16]")]
    public void Shapes_that_the_file_does_not_have_are_refused_before_they_take_memory(string saved, string claimed, string reason)
    {
        using var trained = Train(1);
        var manifest = Save(trained);
        var config = manifest.Config.GetRawText();
        Assert.Contains(saved, config, StringComparison.Ordinal);
        var lying = manifest with { Config = JsonSerializer.Deserialize<JsonElement>(config.Replace(saved, claimed, StringComparison.Ordinal)) };

        var refused = Assert.Throws<CheckpointRejectedException>(() => _family.Load(_directory, lying, new ModelContext(_catalogue, NoEvidence.Instance)));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_that_are_finite_and_overflow_are_refused_and_not_served()
    {
        using var trained = Train(1);
        var manifest = Save(trained);
        var weights = Path.Combine(_directory, RecGptFamily.WeightsFile);
        using (TensorScope.Enter())
        {
            List<(string Name, Tensor Tensor)> tensors;
            using (var file = SafeTensorsFile.Open(weights))
            {
                tensors = [.. file.Names.Select(name => (name, name == "item_embeddings.weight" ? Tensor.Full([21, 16], 1e38f) : file.Read(name)))];
            }

            SafeTensorsFile.Write(weights, tensors);
        }

        Assert.Throws<CheckpointRejectedException>(() => _family.Load(_directory, manifest, new ModelContext(_catalogue, NoEvidence.Instance)));
    }

    [Theory]
    [InlineData("""{"model":{"hidden":0}}""", "model.hidden is 0; it must be in [8, 4096].")]
    [InlineData("""{"model":{"members":9}}""", "model.members is 9; it must be in [1, 8].")]
    [InlineData("""{"model":{"members":2,"legacy":{"recallPrompts":"before-last"}}}""", "model.members is 2, which needs model.legacy.recallPrompts none")]
    [InlineData("""{"model":{"hidden":20,"heads":3}}""", "it must be a multiple of model.heads, 3.")]
    [InlineData("""{"stages":[{"learningRate":-1}]}""", "stages[0].learningRate is -1")]
    [InlineData("""{"stages":[{},{"prompts":{"count":7}}]}""", "stages[1].prompts.count is 7; it must be in [0, 6].")]
    [InlineData("""{"stages":[{"targets":"prefixes","itemDropout":1}]}""", "stages[0].itemDropout is 1; it must be in [0, 0.99].")]
    [InlineData("""{"stages":[{"itemDropout":0.2}]}""", "stages[0].itemDropout is 0.2, which needs stages[0].targets prefixes; without that it must be 0.")]
    [InlineData("""{"stages":[{"loss":"sampled-softmax","labelSmoothing":0.1}]}""", "stages[0].labelSmoothing is 0.1, which needs stages[0].loss full-softmax")]
    [InlineData("""{"model":{"tiedHead":false},"stages":[{"loss":"sampled-softmax"}]}""", "needs model.tiedHead")]
    [InlineData("""{"stages":[]}""", "the number of stages is 0; it must be in [1, 16].")]
    [InlineData("""{"recall":{"n":6}}""", "recall.n is 6; it must be in [0, 5].")]
    [InlineData("""{"stages":[{"loss":"hinge"}]}""", "cannot be read")]
    [InlineData("""{"modell":{}}""", "modell")]
    [InlineData("""{"model":null}""", "cannot be read")]
    [InlineData("""{"evidence":null}""", "cannot be read")]
    [InlineData("""{"recall":null}""", "cannot be read")]
    [InlineData("""{"stages":null}""", "cannot be read")]
    [InlineData("""{"stages":[null]}""", "an element of stages is null")]
    [InlineData("""{"stages":[{"prompts":null}]}""", "cannot be read")]
    [InlineData("""{"model":{"legacy":null}}""", "cannot be read")]
    [InlineData("""{"stages":[{"name":"a"},{"name":"a"}]}""", "Two stages have the name 'a'")]
    public void A_recipe_with_a_fault_is_refused_by_key(string recipe, string reason)
    {
        var refused = Assert.Throws<ArgumentException>(() => _family.Create(
            JsonSerializer.Deserialize<JsonElement>(recipe), new TrainingVocabulary([1], []), null, new ModelContext(_catalogue, NoEvidence.Instance), 1));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nan", "holds a value that is not finite")]
    [InlineData("shape", "expected Float32 [16, 16]")]
    [InlineData("truncated", "model.safetensors")]
    [InlineData("missing weights", "model.safetensors is missing")]
    [InlineData("vocabulary row", "line 3 is not '3<tab>id'")]
    [InlineData("vocabulary size", "item_embeddings.weight is [21, 16]; expected [20, 16]")]
    [InlineData("golden", "does not reproduce")]
    [InlineData("no golden", "no golden inputs")]
    [InlineData("config", "model.layers is 0")]
    public void A_checkpoint_with_a_fault_is_refused_with_its_reason(string fault, string reason)
    {
        using (var model = Train(5))
        {
            var manifest = Damage(fault, Save(model));
            var refused = Assert.Throws<CheckpointRejectedException>(() => _family.Load(_directory, manifest, new ModelContext(_catalogue, NoEvidence.Instance)));
            Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        }
    }

    private CheckpointManifest Damage(string fault, CheckpointManifest manifest)
    {
        var weights = Path.Combine(_directory, "model.safetensors");
        var items = Path.Combine(_directory, "items.tsv");
        switch (fault)
        {
            case "nan":
                Weights.Rewrite(weights, "position_embeddings.weight", tensor => tensor * double.NaN);
                break;
            case "shape":
                Weights.Rewrite(weights, "layers.0.mha.query_projection.weight", tensor => tensor.Narrow(0, 0, 15));
                break;
            case "truncated":
                File.WriteAllBytes(weights, File.ReadAllBytes(weights)[..^1]);
                break;
            case "missing weights":
                File.Delete(weights);
                break;
            case "vocabulary row":
                File.WriteAllLines(items, File.ReadAllLines(items).Where((_, i) => i != 2));
                break;
            case "vocabulary size":
                File.WriteAllLines(items, File.ReadAllLines(items)[..^1]);
                break;
            case "golden":
                return manifest with { Golden = [manifest.Golden[0] with { Scores = [.. manifest.Golden[0].Scores.Select(s => s + 1)] }] };
            case "no golden":
                return manifest with { Golden = [] };
            case "config":
                return manifest with { Config = JsonSerializer.Deserialize<JsonElement>("""{"model":{"layers":0}}""") };
        }

        return manifest;
    }

    private ITrainableModel Train(int steps, string loss = "full-softmax")
    {
        var recipe = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(Recipe)!;
        recipe["stages"] = JsonSerializer.SerializeToElement(new[] { new { loss, learningRate = 0.01 } });
        var model = _family.Create(
            JsonSerializer.SerializeToElement(recipe),
            new TrainingVocabulary([.. Enumerable.Range(0, 20)], [.. _histories.Select(h => h.UserId)]), null, new ModelContext(_catalogue, NoEvidence.Instance), seed: 3);
        for (var i = 0; i < steps; i++)
        {
            model.TrainStep(_histories);
        }

        return model;
    }

    private ParentCheckpoint Parent(ITrainableModel model) => new(_directory, Save(model).Config);

    private CheckpointManifest Save(ITrainableModel model) => model.Save(_directory, "recgpt", _histories[0], _histories[7]);

    private static IReadOnlyList<RankedItem> Ask(IModel model, string user, int[] window) =>
        model.Recommend([new ModelQuery(user, window, window, 5)])[0];
}

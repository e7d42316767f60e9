using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Models.Text;
using static StreamRec.Models.Tests.GenRecWorld;

namespace StreamRec.Models.Tests;

public sealed class GenRecFamilyTests : IDisposable
{
    private const string Titles = """ "items":"titles","titleTokens":4,"vocabulary":300 """;
    private const string Both = """ "items":"both","titleTokens":4,"vocabulary":300 """;

    private readonly GenRecWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData(""" "user":false """)]
    [InlineData(Titles)]
    [InlineData(Both)]
    public void Training_learns_to_write_what_comes_next(string text)
    {
        using var model = _world.Train(Recipe(text, """ "texts":7 """, """ "hidden":32,"feedForward":64,"idScale":1 """), 100);

        Assert.All(_world.Histories, history => Assert.Equal((history.Items[^1] + 1) % Circle, Ask(model, history.UserId, history.Items)[0].Item));
    }

    [Theory]
    [InlineData("")]
    [InlineData(Titles)]
    [InlineData(Both)]
    public void A_saved_model_is_loaded_with_the_same_lists(string text)
    {
        using var trained = _world.Train(Recipe(text), 20);
        var manifest = _world.Save(trained);
        using var loaded = _world.Family.Load(_world.Path, manifest, _world.Context);

        Assert.Equal("genrec-seq2seq@7", loaded.Version.ToString());
        Assert.All(_world.Histories, history => Assert.Equal(Ask(trained, history.UserId, history.Items), Ask(loaded, history.UserId, history.Items)));
    }

    [Fact]
    public void Lists_hold_no_masked_withdrawn_or_unknown_item_and_are_never_padded()
    {
        using var model = _world.Train(Recipe(), 20);
        _world.Catalogue.Describe("item-9", null, null, available: false);

        var list = model.Recommend([new ModelQuery("user-0", new[] { 7, 8 }, new[] { 7, 8, 10, 10, 23 }, 100)])[0];

        Assert.Equal(16, list.Count);
        Assert.Equal(list.Count, list.Select(item => item.Item).Distinct().Count());
        Assert.DoesNotContain(list, item => item.Item is 7 or 8 or 9 or 10 || item.Item >= Circle);
        Assert.Equal(list.OrderByDescending(item => item.Score), list);

        _world.Catalogue.Describe("item-9", null, null, available: true);
        Assert.Contains(model.Recommend([new ModelQuery("user-0", new[] { 7, 8 }, default, 100)])[0], item => item.Item == 9);
    }

    [Fact]
    public void A_score_is_the_log_probability_of_the_item_s_word()
    {
        using var model = _world.Train(Recipe(), 80);

        // All that may be written, so almost all the probability: few tokens stand where no item has them.
        var list = model.Recommend([new ModelQuery("user-3", new[] { 3, 4 }, default, Circle)])[0];

        Assert.Equal(Circle, list.Count);
        Assert.InRange(list.Sum(item => Math.Exp(item.Score)), 0.9, 1.0001);
    }

    [Fact]
    public void A_window_without_a_known_item_gets_no_list()
    {
        using var model = _world.Train(Recipe(), 1);
        var later = _world.Catalogue.Add("added after training");

        var lists = model.Recommend([new ModelQuery("nobody", new[] { later }, default, 5), new ModelQuery("nobody", new[] { later, 3 }, default, 5)]);

        Assert.Empty(lists[0]);
        Assert.NotSame(AnswerBudget.Exceeded, lists[0]);
        Assert.Equal(5, lists[1].Count);
    }

    [Fact]
    public void A_batch_gives_the_lists_that_single_questions_give()
    {
        using var model = _world.Train(Recipe(), 30);
        ModelQuery[] queries = [.. _world.Histories.Select((h, i) => new ModelQuery(h.UserId, h.Items.AsMemory(0, 1 + (i % 8)), default, 5))];

        var together = model.Recommend(queries);

        for (var i = 0; i < queries.Length; i++)
        {
            Assert.Equal(model.Recommend([queries[i]])[0].Select(item => item.Item), together[i].Select(item => item.Item));
        }
    }

    [Fact]
    public void What_a_budget_of_tokens_has_no_room_for_is_said_to_exceed_it()
    {
        using var model = _world.Train(Recipe(), 1);
        // Begin, user, item, mask, end: 7 tokens each.
        ModelQuery[] queries = [.. Enumerable.Range(0, 4).Select(i => new ModelQuery("user-1", new[] { i }, default, 5))];

        var lists = model.Recommend(queries, new AnswerBudget(null, 15));

        Assert.Equal([5, 5, 0, 0], lists.Select(list => list.Count));
        Assert.Same(AnswerBudget.Exceeded, lists[2]);
        Assert.All(model.Recommend(queries, default), list => Assert.Equal(5, list.Count));
    }

    [Fact]
    public void After_the_time_of_a_budget_no_part_is_begun()
    {
        var family = new GenRecFamily(new TickingTime());
        using var model = family.Create(
            JsonSerializer.Deserialize<JsonElement>("""{"model":{"hidden":16,"heads":2,"maxItems":20},"decoding":{"partTokens":64}}"""),
            new TrainingVocabulary([.. Enumerable.Range(0, Circle)], ["user-1"]), null, _world.Context, 1);
        int[] window = [.. Enumerable.Range(0, 20)];
        ModelQuery[] queries = [.. Enumerable.Range(0, 4).Select(_ => new ModelQuery("user-1", window, default, 5))];

        // A text has 45 tokens, so each is a part; the clock is read before each and moves on by a second.
        var lists = model.Recommend(queries, new AnswerBudget(TimeSpan.FromSeconds(3), null));

        Assert.Equal([5, 5, 0, 0], lists.Select(list => list.Count));
        Assert.Same(AnswerBudget.Exceeded, lists[3]);
    }

    [Theory]
    [InlineData("")]
    [InlineData(Titles)]
    [InlineData(Both)]
    public void A_child_keeps_its_parents_words_and_rows_and_gains_new_ones(string text)
    {
        using var parent = _world.Train(Recipe(text), 60);
        var before = ((GenRecTraining)parent).Words;
        var from = _world.Parent(parent);
        _world.Catalogue.Describe("item-3", "quite another title", null, available: true);
        using var child = _world.Family.Create(
            Recipe(text), new TrainingVocabulary([22, 3, 24, 21, 23, 20], ["user-5", "newcomer"]), from, _world.Context, seed: 9);

        var after = ((GenRecTraining)child).Words;
        Assert.Equal(Circle + 5, after.Items);
        Assert.All(Enumerable.Range(1, Circle), row => Assert.Equal(before.Read(row), after.Read(row)));
        Assert.Equal(before.User("user-5"), after.User("user-5"));
        Assert.Equal(Ask(parent, "user-5", [1, 2, 3])[0].Item, Ask(child, "user-5", [1, 2, 3])[0].Item);
        Assert.Contains(child.Recommend([new ModelQuery("newcomer", new[] { 22 }, default, 30)])[0], item => item.Item == 24);
    }

    [Fact]
    public void A_backbone_gives_weights_and_tokens_that_go_into_the_checkpoint_and_on_to_children()
    {
        var backbone = Directory.CreateTempSubdirectory("streamrec-backbone-");
        try
        {
            var tokenizer = ByteLevelBpeTrainer.Train(["item_1 item_2 user_3"], 280, ByteLevelBpeSettings.Bart, minCount: 1);
            tokenizer.Save(backbone.FullName);
            using var bart = new Bart(new BartConfig
            {
                Hidden = 16,
                EncoderLayers = 1,
                DecoderLayers = 1,
                EncoderHeads = 2,
                DecoderHeads = 2,
                EncoderFeedForward = 32,
                DecoderFeedForward = 32,
                MaxPositions = 64,
                Vocabulary = tokenizer.VocabularySize + 3,
            });
            BartFiles.Save(bart, backbone.FullName);
            var recipe = JsonSerializer.Deserialize<JsonElement>(
                $$"""{"backbone":{{JsonSerializer.Serialize(backbone.FullName)}},"model":{"maxItems":6},"stages":[{"learningRate":0.01}],"evidence":{"weight":0} }""");
            using var trained = _world.Create(recipe);
            Assert.True(((GenRecTraining)trained).Network.Bart.StateDict()["model.shared.weight"].Eq(bart.StateDict()["model.shared.weight"]).All().Item<bool>());
            Assert.Equal("user_", ((GenRecTraining)trained).Words.Decode(((GenRecTraining)trained).Words.User("user-1")).Trim()[..5]);
            trained.TrainStep(_world.Histories);
            var manifest = _world.Save(trained);

            // Neither a checkpoint nor its child needs the directory again.
            backbone.Delete(recursive: true);
            using var loaded = _world.Family.Load(_world.Path, manifest, _world.Context);
            Assert.Equal(Ask(trained, "user-1", [1, 2, 3]), Ask(loaded, "user-1", [1, 2, 3]));
            using var child = _world.Create(recipe, new ParentCheckpoint(_world.Path, manifest.Config));
            Assert.Equal(Ask(trained, "user-1", [1, 2, 3]), Ask(child, "user-1", [1, 2, 3]));
        }
        finally
        {
            if (Directory.Exists(backbone.FullName))
            {
                backbone.Delete(recursive: true);
            }
        }
    }

    [Fact]
    public void A_user_that_the_journal_has_no_more_is_in_no_child()
    {
        using var parent = _world.Train(Recipe(), 50);
        using var child = _world.Family.Create(
            Recipe(), new TrainingVocabulary([1], ["user-7", "user-3"]), _world.Parent(parent), _world.Context, seed: 9);

        Assert.Equal(Ask(parent, "user-3", [1, 2, 3]), Ask(child, "user-3", [1, 2, 3]));
        // user-5 was forgotten: the child answers as for anybody unknown.
        Assert.Equal(Ask(child, "nobody", [1, 2, 3]), Ask(child, "user-5", [1, 2, 3]));
        _world.Save(child);
        Assert.DoesNotContain("user-5", File.ReadAllText(Path.Combine(_world.Path, "users.tsv")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "\"hidden\":32", "has the shape [32")]
    [InlineData("", "\"maxItems\":9", "embed_positions.weight the shape [25, 16], the parent has [19, 16]")]
    [InlineData("", "\"heads\":4", "model.heads 4, the parent 2")]
    [InlineData("", "\"idScale\":1", "model.idScale 1, the parent null")]
    [InlineData(Titles, "", "other settings of text than the parent")]
    [InlineData("\"itemBase\":7", "", "other settings of text than the parent")]
    public void A_parent_of_another_shape_or_meaning_is_refused_by_name(string text, string model, string reason)
    {
        using var parent = _world.Train(Recipe(), 1);
        var from = _world.Parent(parent);

        var refused = Assert.Throws<ArgumentException>(() => _world.Create(Recipe(text, "", model), from));

        Assert.Contains(reason.Replace("has the shape [32", "the shape [", StringComparison.Ordinal), refused.Message, StringComparison.Ordinal);
        Assert.Contains("use the parent's recipe", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":{"hidden":0}}""", "model.hidden is 0; it must be in [8, 4096].")]
    [InlineData("""{"model":{"hidden":20,"heads":3}}""", "it must be a multiple of model.heads, 3.")]
    [InlineData("""{"model":{"maxItems":1}}""", "model.maxItems is 1; it must be in [2, 512].")]
    [InlineData("""{"text":{"vocabulary":260}}""", "text.vocabulary is 260; it must be in [261, 200000].")]
    [InlineData("""{"text":{"items":"prose"}}""", "cannot be read")]
    [InlineData("""{"text":{"itemBase":7},"backbone":"bart"}""", "with a backbone numbers are spelled, leave them null.")]
    [InlineData("""{"backbone":"/nowhere"}""", "The backbone '/nowhere' cannot be used")]
    [InlineData("""{"stages":[{"learningRate":-1}]}""", "stages[0].learningRate is -1")]
    [InlineData("""{"stages":[{"lastShare":2}]}""", "stages[0].lastShare is 2; it must be in [0, 1].")]
    [InlineData("""{"stages":[{"maskUser":true}]}""", "stages[0].maskUser is true, which needs text.user and stages[0].task masked-item")]
    [InlineData("""{"stages":[]}""", "the number of stages is 0; it must be in [1, 16].")]
    [InlineData("""{"stages":[{},{}]}""", "Two stages have the name 'fine-tuning'")]
    [InlineData("""{"stages":[null]}""", "an element of stages is null")]
    [InlineData("""{"stages":null}""", "cannot be read")]
    [InlineData("""{"decoding":{"beams":0}}""", "decoding.beams is 0; it must be in [1, 1000].")]
    [InlineData("""{"modell":{}}""", "modell")]
    public void A_recipe_with_a_fault_is_refused_by_key(string recipe, string reason)
    {
        var refused = Assert.Throws<ArgumentException>(() => _world.Create(JsonSerializer.Deserialize<JsonElement>(recipe)));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nan", "holds a value that is not finite")]
    [InlineData("shape", "expected Float32 [16, 16]")]
    [InlineData("truncated", "model.safetensors")]
    [InlineData("missing weights", "model.safetensors")]
    [InlineData("missing vocabulary", "vocab.json")]
    [InlineData("missing number", "<item:3_>")]
    [InlineData("more tokens", "bart.model.shared.weight is [")]
    [InlineData("vocabulary row", "line 3 is not '3<tab>id'")]
    [InlineData("vocabulary size", "item_ids.weight is [21, 16]; expected [20, 16]")]
    [InlineData("shapes of another config", "expected [16384, 16]")]
    [InlineData("golden", "does not reproduce")]
    [InlineData("no golden", "no golden inputs")]
    [InlineData("config", "model.heads is 0")]
    public void A_checkpoint_with_a_fault_is_refused_with_its_reason(string fault, string reason)
    {
        using var model = _world.Train(Recipe(), 5);
        var manifest = Damage(fault, _world.Save(model));

        var refused = Assert.Throws<CheckpointRejectedException>(() => _world.Family.Load(_world.Path, manifest, _world.Context));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    private CheckpointManifest Damage(string fault, CheckpointManifest manifest)
    {
        var weights = Path.Combine(_world.Path, "model.safetensors");
        var items = Path.Combine(_world.Path, "items.tsv");
        var config = Path.Combine(_world.Path, "config.json");
        var added = Path.Combine(_world.Path, "tokenizer", "added_tokens.json");
        switch (fault)
        {
            case "nan":
                Weights.Rewrite(weights, "item_ids.weight", tensor => tensor * double.NaN);
                break;
            case "shape":
                Weights.Rewrite(weights, "bart.model.encoder.layers.0.self_attn.q_proj.weight", tensor => tensor.Narrow(0, 0, 15));
                break;
            case "truncated":
                File.WriteAllBytes(weights, File.ReadAllBytes(weights)[..^1]);
                break;
            case "missing weights":
                File.Delete(weights);
                break;
            case "missing vocabulary":
                File.Delete(Path.Combine(_world.Path, "tokenizer", "vocab.json"));
                break;
            case "missing number":
                File.WriteAllText(added, File.ReadAllText(added).Replace("<item:3_>", "<item:33_>", StringComparison.Ordinal));
                break;
            case "more tokens":
                File.WriteAllText(config, File.ReadAllText(config).Replace("\"vocab_size\": ", "\"vocab_size\": 9", StringComparison.Ordinal));
                break;
            case "vocabulary row":
                File.WriteAllLines(items, File.ReadAllLines(items).Where((_, i) => i != 2));
                break;
            case "vocabulary size":
                File.WriteAllLines(items, File.ReadAllLines(items)[..^1]);
                break;
            case "shapes of another config":
                File.WriteAllText(config, File.ReadAllText(config).Replace("\"decoder_ffn_dim\": 32", "\"decoder_ffn_dim\": 16384", StringComparison.Ordinal));
                break;
            case "golden":
                return manifest with { Golden = [manifest.Golden[0] with { Scores = [.. manifest.Golden[0].Scores.Select(s => s + 1)] }] };
            case "no golden":
                return manifest with { Golden = [] };
            case "config":
                return manifest with { Config = JsonSerializer.Deserialize<JsonElement>("""{"model":{"heads":0}}""") };
        }

        return manifest;
    }

    /// <summary>A clock that moves on by a second whenever it is read.</summary>
    private sealed class TickingTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _now++;
    }
}

using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>RecGpt against the reference implementation's own numbers. Tolerances are those of the fixture's description: fp32 noise.</summary>
public sealed class RecGptParityTests
{
    private const float HiddenTolerance = 1e-5f;
    private const float LogitTolerance = 2e-5f;
    private const float GradientTolerance = 2e-6f;
    private const double LossTolerance = 1e-5;

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Sequences_without_padding_give_the_states_and_gradients_of_padded_ones(bool preNorm, bool users)
    {
        using var scope = TensorScope.Enter();
        using var random = TorchRandom.Enter(1);
        using var network = new RecGptNetwork(
            new RecGptConfig { Hidden = 24, Layers = 2, Heads = 2, FeedForward = 40, MaxLength = 12, PreNorm = preNorm, UserEmbedding = users }, 122, 11);
        network.Train(false);
        TrainingWindow[] windows =
        [
            new(3, [5, 17, 40], [17, 40, 8]),
            new(0, [9], [9]),
            new(7, [1, 90, 2, 91], [2, 0, 3, 0], [0, 1, 0, 1]),
            new(2, [.. Enumerable.Range(1, 12)], [.. Enumerable.Range(2, 12)]),
        ];
        var padded = network.Forward(
            SlotBatch.Pad([.. windows.Select(w => w.Items)], 12), Tensor.From([.. windows.Select(w => (long)w.User)]),
            SlotBatch.Pad([.. windows.Select(w => w.Segments ?? new int[w.Items.Length])], 12));
        padded = padded[SlotBatch.Pad([.. windows.Select(w => w.Targets)], 12).Ne(0)];            // [M, d]
        var weight = Tensor.RandN(padded.Shape);
        (padded * weight).Sum().Backward();
        var expected = network.NamedParameters().Select(p => (p.Name, Gradient: p.Parameter.Grad!.ToArray<float>())).ToList();
        foreach (var parameter in network.Parameters())
        {
            parameter.Grad = null;
        }

        var batch = PackedSequences.Of(windows, 12, users, seed: 1);
        var packed = network.ForwardPacked(batch, new Random(1), out var embedded);
        packed.Backward(weight);
        network.BackwardEmbeddings(batch, embedded);

        Assert.Equal([17, 40, 8, 9, 2, 3, .. Enumerable.Range(2, 12)], batch.Targets.ToArray<long>().Select(row => (int)row));
        Assert.Equal(18, batch.Predicted!.Numel);
        Assert.InRange(Fixtures.MaxDifference(packed, padded), 0, 1e-5f);
        foreach (var ((name, gradient), (_, parameter)) in expected.Zip(network.NamedParameters()))
        {
            // Sums over 20 slots of fp32 products, which may nearly cancel in one element.
            var tolerance = 2e-6f * Math.Max(1, gradient.Max(Math.Abs));
            Assert.All(gradient.Zip(parameter.Grad!.ToArray<float>()), pair => Assert.True(Math.Abs(pair.First - pair.Second) <= tolerance, $"{name}: {pair}"));
        }
    }

    [Theory]
    [InlineData("flow", "seg0")]
    [InlineData("flow", "segmixed")]
    [InlineData("softmax", "seg0")]
    [InlineData("softmax", "segmixed")]
    public void Hidden_states_and_logits_and_the_next_items_equal_the_reference(string attention, string segments)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);
        using var noGrad = NoGrad.Enter();
        var items = fixture["in.input_ids"];

        var hidden = fixture.Network.Forward(items, fixture.UserRows, segments == "seg0" ? null : fixture["in.segments_mixed"]);
        var logits = fixture.Network.Logits(hidden);

        AssertClose(fixture[$"{segments}.hidden"], hidden, HiddenTolerance);
        AssertClose(fixture[$"{segments}.logits"], logits, LogitTolerance);
        Assert.Equal(fixture[$"{segments}.next_by_logits"].ToArray<long>(), RecGptPrompts.Greedy(fixture.Network.Logits(hidden.Select(1, 11))).ToArray<long>());
        var scores = hidden.Select(1, 11).MatMul(fixture.Network.ItemTable.T).ToArray<float>();
        var suppressed = fixture.Json.GetProperty("recall").GetProperty("train_input").GetProperty("suppressed_items");
        foreach (var (row, next) in fixture[$"{segments}.next_by_inner_product"].ToArray<long>().Index())
        {
            foreach (var item in suppressed[row].EnumerateArray())
            {
                scores[(row * 122) + item.GetInt32()] = 0;
            }

            Assert.Equal([(int)next], TopK.Select(scores.AsSpan(row * 122, 122), 1));
        }
    }

    [Theory]
    [InlineData("seg0")]
    [InlineData("segmixed")]
    public void Clean_softmax_windows_have_the_hidden_states_of_the_reference_wherever_an_item_is_seen(string segments)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.OpenClean("softmax");
        using var noGrad = NoGrad.Enter();

        var hidden = fixture.Network.Forward(
            fixture["in.input_ids"], fixture.UserRows, segments == "seg0" ? null : fixture["in.segments_mixed"]);

        // Padded slots stand at other positions than in the reference; nobody sees them.
        var real = fixture["in.input_ids"].Ne(0);
        AssertClose(fixture[$"{segments}.hidden"][real], hidden[real], HiddenTolerance);
    }

    [Theory]
    [InlineData("flow")]
    [InlineData("softmax")]
    public void The_last_hidden_state_alone_equals_the_last_of_all(string attention)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);
        using var noGrad = NoGrad.Enter();

        var last = fixture.Network.ForwardLast(fixture["in.input_ids"], fixture.UserRows, fixture["in.segments_mixed"]);

        AssertClose(fixture["segmixed.hidden"].Select(1, 11), last, HiddenTolerance);
    }

    [Theory]
    [InlineData("flow")]
    [InlineData("softmax")]
    public void A_clean_window_gives_the_same_state_however_much_padding_stands_before_it(string attention)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.OpenClean(attention);
        using var noGrad = NoGrad.Enter();

        // Row 1 of the fixture holds three items.
        var items = fixture["in.input_ids"].Narrow(0, 1, 1);
        var users = fixture.UserRows.Narrow(0, 1, 1);
        var padded = fixture.Network.ForwardLast(items, users);
        var tight = fixture.Network.ForwardLast(items.Narrow(1, 9, 3), users);

        AssertClose(padded, tight, HiddenTolerance);
    }

    [Theory]
    [InlineData("flow", "pretrain_bce")]
    [InlineData("flow", "ce_plain")]
    [InlineData("softmax", "pretrain_bce")]
    [InlineData("softmax", "ce_plain")]
    public void Losses_and_every_gradient_equal_the_reference(string attention, string name)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);

        Assert.Equal(Loss(fixture, name), Backward(fixture, name), LossTolerance);
        var none = fixture.Json.GetProperty("no_grad_tensors").GetProperty(name).EnumerateArray().Select(e => e.GetString()).ToHashSet();
        foreach (var (parameter, tensor) in fixture.Network.NamedParameters())
        {
            var reference = RecGptReference.ReferenceName(parameter);
            if (none.Contains(reference))
            {
                Assert.Null(tensor.Grad);
            }
            else
            {
                AssertClose(fixture[$"grad.{name}.{reference}"], tensor.Grad!, GradientTolerance, parameter);
            }
        }
    }

    public static TheoryData<string, string> PromptedLosses()
    {
        var data = new TheoryData<string, string>();
        foreach (var attention in new[] { "flow", "softmax" })
        {
            foreach (var prompts in new[] { "tail_k1", "tail_k2", "interleave_k1", "interleave_k2", "tailclean_k1", "tailclean_k2", "interleaveclean_k1", "interleaveclean_k2" })
            {
                data.Add(attention, $"ce_{prompts}");
                if (!prompts.Contains("clean", StringComparison.Ordinal))
                {
                    data.Add(attention, $"bce_{prompts}");
                }
            }

            data.Add(attention, "bce_plain");
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(PromptedLosses))]
    public void Losses_on_prompted_windows_and_their_gradient_norms_equal_the_reference(string attention, string name)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);

        Assert.Equal(Loss(fixture, name), Backward(fixture, name), LossTolerance);
        if (fixture.Json.GetProperty("grad_norm_per_tensor").TryGetProperty(name, out var norms))
        {
            var parameters = fixture.Network.NamedParameters().ToDictionary(p => RecGptReference.ReferenceName(p.Name), p => p.Parameter);
            foreach (var norm in norms.EnumerateObject())
            {
                var expected = norm.Value.GetDouble();
                Assert.Equal(expected, parameters[norm.Name].Grad!.Norm().Item<float>(), 1e-6 + (1e-4 * expected));
            }
        }
    }

    [Theory]
    [InlineData("flow", "pretrain_bce")]
    [InlineData("flow", "ce_plain")]
    [InlineData("softmax", "pretrain_bce")]
    [InlineData("softmax", "ce_plain")]
    public void Five_steps_of_Adam_equal_the_reference(string attention, string name)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);
        var run = fixture.Json.GetProperty("adam").GetProperty(name);
        using var adam = new Adam(fixture.Network.Parameters(), run.GetProperty("lr").GetDouble());

        foreach (var (step, expected) in run.GetProperty("losses").EnumerateArray().Index())
        {
            Assert.Equal(expected.GetDouble(), Backward(fixture, name), 5e-5);
            adam.Step();
            adam.ZeroGrad();
            if (step == 0)
            {
                AssertNorms(fixture, attention, run.GetProperty("param_norm_after_1_step"));
            }
        }
    }

    public static TheoryData<string, string, int> Prompts()
    {
        var data = new TheoryData<string, string, int>();
        foreach (var attention in new[] { "flow", "softmax" })
        {
            foreach (var mode in new[] { "tail", "interleave", "tailclean", "interleaveclean", "testlast", "testall" })
            {
                data.Add(attention, mode, 1);
                data.Add(attention, mode, 2);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Prompted_inputs_targets_and_segments_equal_the_reference(string attention, string mode, int k)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);
        var (network, config) = (fixture.Network, fixture.Config);

        var prompted = mode switch
        {
            "tail" => RecGptLegacyPrompts.TailReplace(network, config, fixture.Windows(), k),
            "interleave" => RecGptLegacyPrompts.Interleave(network, config, fixture.Windows(), k),
            "tailclean" => RecGptPrompts.TailReplace(network, config, fixture.Windows(), k),
            "interleaveclean" => RecGptPrompts.Interleave(network, config, fixture.Windows(), k),
            "testlast" => RecGptLegacyPrompts.BeforeLast(network, config, TestWindows(fixture), k),
            _ => RecGptLegacyPrompts.BeforeEach(network, config, TestWindows(fixture), k),
        };

        Assert.Equal(RecGptReference.Rows(fixture[$"{mode}_k{k}.input_ids"]), prompted.Select(window => Padded(window.Items)));
        Assert.Equal(RecGptReference.Rows(fixture[$"{mode}_k{k}.target_pos"]), prompted.Select(window => Padded(window.Targets)));
        Assert.Equal(RecGptReference.Rows(fixture[$"{mode}_k{k}.segments"]), prompted.Select(window => Padded(window.Segments!)));
    }

    [Theory]
    [InlineData("flow", "tail_k1")]
    [InlineData("flow", "interleave_k1")]
    [InlineData("softmax", "tail_k1")]
    [InlineData("softmax", "interleave_k1")]
    public void Hidden_states_of_prompted_inputs_equal_the_reference(string attention, string prompts)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);
        using var noGrad = NoGrad.Enter();

        var hidden = fixture.Network.Forward(fixture[$"{prompts}.input_ids"], fixture.UserRows, fixture[$"{prompts}.segments"]);

        AssertClose(fixture[$"{prompts}.hidden"], hidden, HiddenTolerance);
    }

    [Theory]
    [InlineData("flow", "test")]
    [InlineData("flow", "train_input")]
    [InlineData("softmax", "test")]
    [InlineData("softmax", "train_input")]
    public void Both_recall_steps_equal_the_reference(string attention, string set)
    {
        using var scope = TensorScope.Enter();
        using var fixture = RecGptReference.Open(attention);
        using var noGrad = NoGrad.Enter();
        var network = fixture.Network;
        var windows = RecallWindows(fixture, set);

        var first = network.ForwardLast(fixture[$"recall_{set}.input_ids"], fixture.UserRows);
        var next = RecGptPrompts.Greedy(network.Logits(first)).ToArray<long>();
        RowWindow[] pushed = [.. windows.Zip(next, (window, item) => RecGptRecall.Push(window, (int)item, 12))];
        var (items, segments) = (SlotBatch.Pad([.. pushed.Select(w => w.Rows)], 12), SlotBatch.Pad([.. pushed.Select(w => w.Segments!)], 12));
        var second = network.ForwardLast(items, fixture.UserRows, segments);

        AssertClose(fixture[$"recall_{set}.step1_scores"], first.MatMul(network.ItemTable.T), LogitTolerance);
        Assert.Equal(fixture[$"recall_{set}.step1_next"].ToArray<long>(), next);
        Assert.Equal(RecGptReference.Rows(fixture[$"recall_{set}.step2_input_ids"]), RecGptReference.Rows(items));
        Assert.Equal(RecGptReference.Rows(fixture[$"recall_{set}.step2_segments"]), RecGptReference.Rows(segments));
        AssertClose(fixture[$"recall_{set}.step2_scores"], second.MatMul(network.ItemTable.T), LogitTolerance);
    }

    public static TheoryData<string, string, int> Recalls()
    {
        var data = new TheoryData<string, string, int>();
        foreach (var attention in new[] { "flow", "softmax" })
        {
            foreach (var n in new[] { 0, 1, 2, 5 })
            {
                data.Add(attention, "test", n);
                data.Add(attention, "train_input", n);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Recalls))]
    public void Recall_lists_equal_the_reference(string attention, string set, int n)
    {
        using var fixture = RecGptReference.Open(attention);

        Assert.Equal(Lists(fixture, set, "lists", n), Recall(fixture, set, n, new float[122]));
    }

    [Theory]
    [MemberData(nameof(Recalls))]
    public void Recall_lists_without_history_and_padding_equal_the_reference(string attention, string set, int n)
    {
        using var fixture = RecGptReference.Open(attention, config => config with { Legacy = config.Legacy with { ZeroSuppression = false } });
        var bias = new float[122];
        bias[121] = float.NegativeInfinity;

        Assert.Equal(Lists(fixture, set, "lists_clean", n), Recall(fixture, set, n, bias));
    }

    private static int[][] Recall(RecGptReference fixture, string set, int n, float[] bias)
    {
        var (items, users) = (new Vocabulary([.. Enumerable.Range(1, 121).Select(i => $"{i}")]), new Vocabulary([]));
        using var model = new RecGptModel(
            new ModelVersion("recgpt", 1), new RecGptRecipe { Model = fixture.Config }, items, users, fixture.Ensemble, new ModelContext(new Catalogue(), NoEvidence.Instance));
        var lists = new int[6][];
        ((RecGptModel)model.WithSecondStep(n)).Rank(RecallWindows(fixture, set), bias, row => row, (i, rows, scores) =>
        {
            lists[i] = rows;
            Assert.All(rows.Skip(1).Zip(rows), pair => Assert.True(scores[pair.First] <= scores[pair.Second]));
        });
        return lists;
    }

    private static RowWindow[] RecallWindows(RecGptReference fixture, string set)
    {
        using var scope = TensorScope.Enter();
        var users = fixture["in.user_index"].ToArray<long>();
        var suppressed = fixture.Json.GetProperty("recall").GetProperty(set).GetProperty("suppressed_items");
        return [.. RecGptReference.Rows(fixture[$"recall_{set}.input_ids"]).Select((row, i) => new RowWindow(
            (int)users[i] + 1, [.. row.Where(item => item != 0)], suppressed[i].EnumerateArray().Select(e => e.GetInt32()).ToArray(), 10))];
    }

    private static int[][] Lists(RecGptReference fixture, string set, string kind, int n) =>
        fixture.Json.GetProperty("recall").GetProperty(set).GetProperty(kind).GetProperty($"{10 - n},{n}").Deserialize<int[][]>()!;

    // The test inputs with their targets: what follows, and at the end the answer.
    private static TrainingWindow[] TestWindows(RecGptReference fixture)
    {
        var answers = fixture.Json.GetProperty("recall").GetProperty("test").GetProperty("answers").Deserialize<int[]>()!;
        return [.. fixture.Windows("recall_test.input_ids", null).Select((window, i) => window with
        {
            Targets = [.. window.Items.Index().Select(slot => slot.Item == 0 ? 0 : slot.Index == 11 ? answers[i] : window.Items[slot.Index + 1])],
        })];
    }

    private static int[] Padded(int[] slots) => [.. new int[12 - slots.Length], .. slots];

    private static double Loss(RecGptReference fixture, string name) => fixture.Json.GetProperty("loss").GetProperty(name).GetDouble();

    // The loss of a fixture entry, its gradients left in the parameters.
    private static double Backward(RecGptReference fixture, string name)
    {
        using var scope = TensorScope.Enter();
        var network = fixture.Network;
        var prompts = name is "pretrain_bce" or "ce_plain" or "bce_plain" ? "in" : name[(name.IndexOf('_', StringComparison.Ordinal) + 1)..];
        var targets = fixture[$"{prompts}.target_pos"];
        var predicted = targets.Ne(0);
        var hidden = network.Forward(
            fixture[$"{prompts}.input_ids"], fixture.UserRows, prompts == "in" ? null : fixture[$"{prompts}.segments"])[predicted];
        double value;
        if (name.StartsWith("ce", StringComparison.Ordinal))
        {
            value = new SeparateHeadLoss(network.Head!, smoothing: 0).Backward(hidden, targets[predicted], network.ItemTable, new Random(1), []);
        }
        else
        {
            value = TableLoss.BinaryCrossEntropy(
                hidden, network.ItemTable, targets[predicted], fixture[$"{prompts}.target_neg"][predicted], out var gradient);
            hidden.Backward(gradient);
        }

        network.FreezePadding();
        return value;
    }

    private static void AssertNorms(RecGptReference fixture, string attention, JsonElement norms)
    {
        foreach (var (name, parameter) in fixture.Network.NamedParameters())
        {
            // A softmax does not change when all its scores do: this gradient is rounding noise, and Adam makes full steps of it.
            if (attention == "softmax" && name.EndsWith("mha.key_projection.bias", StringComparison.Ordinal))
            {
                continue;
            }

            if (norms.TryGetProperty(RecGptReference.ReferenceName(name), out var expected))
            {
                Assert.Equal(expected.GetDouble(), parameter.Norm().Item<float>(), 1e-5 + (1e-4 * expected.GetDouble()));
            }
        }
    }

    private static void AssertClose(Tensor expected, Tensor actual, float tolerance, string what = "values")
    {
        var difference = Fixtures.MaxDifference(actual, expected);
        Assert.True(difference <= tolerance, $"{what}: off by {difference}");
    }
}

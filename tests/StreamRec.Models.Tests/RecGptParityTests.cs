using System.Text.Json;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>RecGpt against the reference implementation's own numbers. Tolerances are those of the fixture's description: fp32 noise.</summary>
public sealed class RecGptParityTests
{
    [Theory]
    [InlineData("seg0")]
    [InlineData("segmixed")]
    public void Hidden_states_equal_the_reference(string segments)
    {
        using var scope = TensorScope.Enter();
        using var fixture = Reference.Open();
        using var noGrad = NoGrad.Enter();

        var hidden = fixture.Network.Forward(
            fixture["in.input_ids"], fixture.UserRows, segments == "seg0" ? null : fixture["in.segments_mixed"]);

        // A slot that sees no real item has no defined meaning.
        var visible = fixture["in.visible"].Ne(0);
        Assert.InRange(Fixtures.MaxDifference(hidden[visible], fixture[$"{segments}.hidden"][visible]), 0, 1e-5f);
    }

    [Fact]
    public void The_last_hidden_state_alone_equals_the_last_of_all()
    {
        using var scope = TensorScope.Enter();
        using var fixture = Reference.Open();
        using var noGrad = NoGrad.Enter();

        var last = fixture.Network.ForwardLast(fixture["in.input_ids"], fixture.UserRows);

        Assert.InRange(Fixtures.MaxDifference(last, fixture["seg0.hidden"].Select(1, 11)), 0, 1e-5f);
    }

    [Fact]
    public void A_window_gives_the_same_state_however_much_padding_stands_before_it()
    {
        using var scope = TensorScope.Enter();
        using var fixture = Reference.Open();
        using var noGrad = NoGrad.Enter();

        // Row 1 of the fixture holds three items.
        var items = fixture["in.input_ids"].Narrow(0, 1, 1);
        var users = fixture.UserRows.Narrow(0, 1, 1);
        var padded = fixture.Network.ForwardLast(items, users);
        var tight = fixture.Network.ForwardLast(items.Narrow(1, 9, 3), users);

        Assert.InRange(Fixtures.MaxDifference(tight, padded), 0, 1e-5f);
    }

    [Fact]
    public void Sequences_without_padding_give_the_states_and_gradients_of_padded_ones()
    {
        using var scope = TensorScope.Enter();
        using var fixture = Reference.Open();
        RowWindow[] windows = [new(3, [5, 17, 40, 8], default, 0), new(0, [9, 9], default, 0), new(7, [.. Enumerable.Range(1, 13)], default, 0)];
        var items = Tensor.Zeros([3, 12], ScalarType.Int64);
        foreach (var (i, window) in windows.Index())
        {
            items.Select(0, i).Narrow(0, 13 - window.Rows.Length, window.Rows.Length - 1).CopyFrom_(Tensor.From([.. window.Rows[..^1].Select(row => (long)row)]));
        }

        var padded = fixture.Network.Forward(items, Tensor.From([3L, 0, 7]))[items.Ne(0)];        // [N, d]
        var weight = Tensor.RandN(padded.Shape);
        (padded * weight).Sum().Backward();
        var expected = fixture.Network.NamedParameters().Select(p => (p.Name, Gradient: p.Parameter.Grad!.ToArray<float>())).ToList();
        foreach (var parameter in fixture.Network.Parameters())
        {
            parameter.Grad = null;
        }

        var batch = PackedSequences.Of(windows, 12, 1, out var targets);
        var packed = fixture.Network.ForwardPacked(batch, new Random(1), out var embedded);
        packed.Backward(weight);
        fixture.Network.BackwardEmbeddings(batch, embedded);

        Assert.Equal([17, 40, 8, 9, .. Enumerable.Range(2, 12)], targets.ToArray<long>().Select(row => (int)row));
        Assert.InRange(Fixtures.MaxDifference(packed, padded), 0, 1e-5f);
        foreach (var ((name, gradient), (_, parameter)) in expected.Zip(fixture.Network.NamedParameters()))
        {
            // Sums over 16 slots of fp32 products.
            Assert.All(gradient.Zip(parameter.Grad!.ToArray<float>()), pair => Assert.True(Math.Abs(pair.First - pair.Second) <= 5e-5f, name));
        }
    }

    [Fact]
    public void The_pretraining_loss_and_its_gradients_equal_the_reference()
    {
        using var scope = TensorScope.Enter();
        using var fixture = Reference.Open();
        var predicted = fixture["in.target_pos"].Ne(0);

        var hidden = fixture.Network.Forward(fixture["in.input_ids"], fixture.UserRows)[predicted];
        var loss = BinaryCrossEntropyLoss.Loss(
            hidden, fixture["in.target_pos"][predicted], fixture["in.target_neg"][predicted], fixture.Network.ItemTable);
        loss.Backward();

        Assert.Equal(fixture.Json.GetProperty("loss").GetProperty("pretrain_bce").GetDouble(), loss.Item<float>(), 1e-5);
        foreach (var (name, parameter) in fixture.Network.NamedParameters())
        {
            // The reference keeps its padding row from learning; ours learns nothing there either once padded slots are left out, except as a key's value.
            var expected = fixture[$"grad.pretrain_bce.decoder.{name}"];
            var actual = parameter.Grad!;
            if (name is "item_embeddings.weight")
            {
                (actual, expected) = (actual.Narrow(0, 1, actual.Size(0) - 1), expected.Narrow(0, 1, expected.Size(0) - 1));
            }

            Assert.True(Fixtures.MaxDifference(actual, expected) <= 2e-6f, $"{name}: off by {Fixtures.MaxDifference(actual, expected)}");
        }
    }

    /// <summary>The reference's weights in our network, and its expected tensors.</summary>
    private sealed class Reference : IDisposable
    {
        private readonly SafeTensorsFile _expected;

        private Reference(string directory)
        {
            _expected = SafeTensorsFile.Open(Path.Combine(directory, "expected.safetensors"));
            Json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "expected.json"))).RootElement;
            Network = new RecGpt(
                new RecGptConfig { Hidden = 32, Layers = 2, Heads = 2, FeedForward = 48, MaxLength = 12, Dropout = 0 }, itemRows: 122, userRows: 11);
            using var weights = SafeTensorsFile.Open(Path.Combine(directory, "model.safetensors"));
            using var noGrad = NoGrad.Enter();
            foreach (var (name, parameter) in Network.NamedParameters())
            {
                parameter.CopyFrom_(weights.Read($"decoder.{name}"));
            }
        }

        public RecGpt Network { get; }

        public JsonElement Json { get; }

        public Tensor UserRows => this["in.user_index"] + 1;

        public Tensor this[string name] => _expected.Read(name);

        public static Reference Open() => new(Fixtures.Find("models/recgpt-softmax-tiny"));

        public void Dispose()
        {
            _expected.Dispose();
            Network.Dispose();
        }
    }
}

using System.Text.Json;
using StreamRec.Models.Decoding;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>Bart and the beam search against the reference implementation's own numbers. Tolerances are those of the fixture's description.</summary>
public sealed class BartParityTests
{
    private const float LogitTolerance = 5e-5f;

    [Fact]
    public void Hidden_states_and_logits_equal_the_reference_wherever_there_is_a_token()
    {
        using var scope = TensorScope.Enter();
        using var fixture = new BartReference();
        using var noGrad = NoGrad.Enter();
        var (padding, seen) = (fixture.Padding("right.attention_mask"), fixture["right.attention_mask"].Ne(0));
        var written = fixture["right.decoder_attention_mask"].Ne(0);
        List<Tensor> encoder = [], decoder = [];

        var encoded = fixture.Bart.Encode(fixture["right.input_ids"], padding, trace: encoder.Add);
        using var cache = fixture.Bart.Remember(encoded, padding);
        var hidden = fixture.Bart.Decode(fixture["right.decoder_input_ids"], cache, trace: decoder.Add);

        Assert.Equal(3, encoder.Count);
        Assert.Equal(3, decoder.Count);
        for (var i = 0; i < 3; i++)
        {
            AssertClose(fixture[$"right.encoder_hidden.{i}"], encoder[i], seen);
            AssertClose(fixture[$"right.decoder_hidden.{i}"], decoder[i], written);
        }

        AssertClose(fixture["right.encoder_last_hidden"], encoded, seen);
        AssertClose(fixture["right.logits"], fixture.Bart.Logits(hidden), written);
    }

    [Fact]
    public void Logits_of_one_token_at_a_time_equal_the_reference()
    {
        using var scope = TensorScope.Enter();
        using var fixture = new BartReference();
        using var noGrad = NoGrad.Enter();
        var tokens = fixture["kv.decoder_input_ids"];
        using var cache = fixture.Bart.Remember(fixture.Bart.Encode(fixture["kv.input_ids"], null), null);

        var logits = Enumerable.Range(0, 8).Select(t => fixture.Bart.Logits(fixture.Bart.Decode(tokens.Narrow(1, t, 1), cache)));

        Assert.InRange(Fixtures.MaxDifference(Tensor.Cat(logits, 1), fixture["kv.logits"]), 0, LogitTolerance);
    }

    [Theory]
    [InlineData("greedy")]
    [InlineData("greedy_eos")]
    [InlineData("beam4")]
    [InlineData("beam4_eos")]
    [InlineData("beam4_eos_lp0")]
    [InlineData("beam4_eos_lp2")]
    [InlineData("beam4_eos_early")]
    [InlineData("beam4_bart_like")]
    [InlineData("beam4_trie")]
    [InlineData("beam10_trie")]
    [InlineData("beam4_trie_renorm")]
    public void Generated_texts_and_scores_equal_the_reference(string name)
    {
        using var fixture = new BartReference();
        var generation = fixture.Json.GetProperty("generation");
        var scenario = generation.GetProperty(name);
        var options = BartReference.Options(scenario);
        var strings = generation.GetProperty("_trie_items").Deserialize<int[][]>()!;
        var trie = name.Contains("trie", StringComparison.Ordinal) ? new TokenTrie(strings, options.End!.Value) : null;
        using var writer = fixture.Writer();

        var found = BeamSearch.Run(writer, options, trie).SelectMany(texts => texts).ToArray();

        var expected = scenario.GetProperty("sequences").Deserialize<int[][]>()!;
        Assert.Equal(expected.Select(row => row[1..]), found.Select(text => Padded(text.Tokens, expected[0].Length - 1)));
        if (scenario.TryGetProperty("sequences_scores", out var scores))
        {
            Assert.All(
                scores.Deserialize<double[]>()!.Zip(found),
                pair => Assert.InRange(pair.Second.Score, pair.First - 1e-4, pair.First + 1e-4));
        }

        if (trie is not null)
        {
            Assert.All(found, text => Assert.Equal(strings[Assert.Single(text.Items)], text.Tokens[..^1]));
        }
    }

    [Fact]
    public void Loss_and_gradients_equal_the_reference()
    {
        using var scope = TensorScope.Enter();
        using var fixture = new BartReference();
        var train = fixture.Json.GetProperty("train");

        var loss = Loss(fixture);
        loss.Backward();

        AssertRelative(train.GetProperty("loss").GetDouble(), loss.Item<float>(), 1e-5);
        var squares = 0.0;
        foreach (var (name, parameter) in fixture.Bart.NamedParameters())
        {
            var gradient = parameter.Grad!;
            Assert.InRange(Fixtures.MaxDifference(gradient, fixture[$"train.grad.{name}"]), 0, 2e-6f);
            var (norm, actual) = (train.GetProperty("grad_norm_per_tensor").GetProperty(name).GetDouble(), gradient.Norm().Item<float>());
            // Keys' biases have no gradient but rounding noise.
            Assert.InRange(actual, norm - (1e-4 * norm) - 1e-6, norm + (1e-4 * norm) + 1e-6);
            squares += actual * actual;
        }

        AssertRelative(train.GetProperty("grad_norm_l2").GetDouble(), Math.Sqrt(squares), 1e-4);
    }

    [Fact]
    public void Five_steps_of_AdamW_equal_the_reference()
    {
        using var scope = TensorScope.Enter();
        using var fixture = new BartReference();
        var settings = fixture.Json.GetProperty("train").GetProperty("adamw");
        using var optimizer = new AdamW(fixture.Bart.NamedParameters(), 1e-3) { WeightDecay = 0.01 };
        var losses = settings.GetProperty("losses").Deserialize<double[]>()!;

        for (var step = 0; step < 5; step++)
        {
            optimizer.ZeroGrad();
            var loss = Loss(fixture);
            loss.Backward();
            AssertRelative(losses[step], loss.Item<float>(), step == 0 ? 1e-5 : 1e-4);
            optimizer.Step();
        }

        AssertRelative(losses[5], Loss(fixture).Item<float>(), 1e-3);
        foreach (var (name, parameter) in fixture.Bart.NamedParameters())
        {
            // A softmax does not change when all its scores do: this gradient is rounding noise, and Adam makes full steps of it.
            if (!name.EndsWith("k_proj.bias", StringComparison.Ordinal))
            {
                var norm = settings.GetProperty("param_norm_after_5_steps").GetProperty(name).GetDouble();
                AssertRelative(norm, parameter.Norm().Item<float>(), 1e-4);
            }
        }
    }

    private static Tensor Loss(BartReference fixture) =>
        fixture.Bart.Loss(fixture["train.input_ids"], fixture.Padding("train.attention_mask"), fixture["train.labels"]);

    private static int[] Padded(int[] tokens, int length) => [.. tokens, .. Enumerable.Repeat(1, length - tokens.Length)];

    private static void AssertClose(Tensor expected, Tensor actual, Tensor where) =>
        Assert.InRange(Fixtures.MaxDifference(actual[where], expected[where]), 0, LogitTolerance);

    private static void AssertRelative(double expected, double actual, double tolerance) =>
        Assert.InRange(actual, expected - (tolerance * Math.Abs(expected)), expected + (tolerance * Math.Abs(expected)));
}

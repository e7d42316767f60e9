using StreamRec.Models.Decoding;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

public sealed class BartTests
{
    private static readonly BartConfig Small = new()
    {
        Hidden = 8,
        EncoderLayers = 2,
        DecoderLayers = 2,
        EncoderHeads = 2,
        DecoderHeads = 4,
        EncoderFeedForward = 12,
        DecoderFeedForward = 10,
        Dropout = 0,
        MaxPositions = 9,
        Vocabulary = 13,
        InitDeviation = 0.5,
    };

    // Two inputs, the second shorter by two.
    private static Tensor Ids => Tensor.From([0L, 4, 5, 6, 2, 0, 7, 2, 1, 1], 2, 5);

    private static Tensor Padding => Ids.Eq(1);

    private static Tensor Labels => Tensor.From([4L, 9, 2, 10, 2, -100], 2, 3);

    // Float32 has fused operations on tokens without padding, Float64 has not.
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void One_token_at_a_time_for_several_rows_of_an_input_gives_what_whole_rows_give(ScalarType type)
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var bart = Make(Small);
        bart.To(type);
        var encoded = bart.Encode(Ids, Padding);
        long[][] texts = [[2, 3, 4, 5], [2, 8, 9, 10], [2, 4, 4, 6], [2, 12, 11, 3]];
        using var whole = bart.Remember(encoded, Padding);
        using var steps = bart.Remember(encoded, Padding);

        var expected = bart.Logits(bart.Decode(Rows(texts), whole));
        var actual = Enumerable.Range(0, 4).Select(t => bart.Logits(bart.Decode(Rows([.. texts.Select(row => row[t..(t + 1)])]), steps)));

        Assert.InRange(Fixtures.MaxDifference(Tensor.Cat(actual, 1), expected), 0, 1e-5f);
    }

    [Fact]
    public void Rows_go_on_from_where_they_are_told_to()
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var bart = Make(Small);
        using var writer = new BartNextTokens(bart, Ids, Padding);
        writer.Start();
        writer.Step([0, 0, 1, 1], [3, 8, 4, 12]);
        var swapped = writer.Step([1, 1, 3, 2], [5, 6, 7, 8]);

        using var whole = bart.Remember(bart.Encode(Ids, Padding), Padding);
        var expected = bart.Logits(bart.Decode(Rows([[2, 8, 5], [2, 8, 6], [2, 12, 7], [2, 4, 8]]), whole)).Select(1, 2).LogSoftmax(-1);

        Assert.InRange(Fixtures.MaxDifference(swapped, expected), 0, 1e-5f);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void An_input_of_which_no_row_goes_on_is_forgotten(ScalarType type)
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var bart = Make(Small);
        bart.To(type);
        using var writer = new BartNextTokens(bart, Ids, Padding);
        writer.Start();
        writer.Step([0, 0, 1, 1], [3, 8, 4, 12]);
        var left = Tensor.Stack([writer.Step([3, 2, 3], [5, 6, 7]), writer.Step([1, 1, 2], [5, 6, 7])]);

        using var whole = bart.Remember(bart.Encode(Ids, Padding).Narrow(0, 1, 1), Padding.Narrow(0, 1, 1));
        using var longer = bart.Remember(bart.Encode(Ids, Padding).Narrow(0, 1, 1), Padding.Narrow(0, 1, 1));
        var expected = Tensor.Stack(
        [
            bart.Logits(bart.Decode(Rows([[2, 12, 5], [2, 4, 6], [2, 12, 7]]), whole)).Select(1, 2).LogSoftmax(-1),
            bart.Logits(bart.Decode(Rows([[2, 4, 6, 5], [2, 4, 6, 6], [2, 12, 7, 7]]), longer)).Select(1, 3).LogSoftmax(-1),
        ]);

        Assert.InRange(Fixtures.MaxDifference(left, expected), 0, 1e-5f);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Padding_changes_nothing(ScalarType type)
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var bart = Make(Small);
        bart.To(type);
        var (together, alone) = (bart.Encode(Ids, Padding), bart.Encode(Tensor.From([0L, 7, 2], 1, 3), null));
        using var cacheOfBoth = bart.Remember(together, Padding);
        using var cacheOfOne = bart.Remember(alone, null);

        var expected = bart.Decode(Rows([[2, 5, 6]]), cacheOfOne);
        var actual = bart.Decode(Rows([[2, 3, 4], [2, 5, 6]]), cacheOfBoth);

        Assert.InRange(Fixtures.MaxDifference(together.Select(0, 1).Narrow(0, 0, 3), alone.Select(0, 0)), 0, 1e-5f);
        Assert.InRange(Fixtures.MaxDifference(actual.Select(0, 1), expected.Select(0, 0)), 0, 1e-5f);
    }

    [Fact]
    public void Added_embeddings_count_like_the_tokens_own()
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var bart = Make(Small with { ScaleEmbedding = true });
        var table = bart.StateDict()["model.shared.weight"];
        // Token 3 plus the difference between 4 and 3 is token 4.
        var added = (table.Select(0, 4) - table.Select(0, 3)) * Math.Sqrt(8);
        var (threes, fours) = (Tensor.Full([1, 4], 3, ScalarType.Int64), Tensor.Full([1, 4], 4, ScalarType.Int64));
        using var cache = bart.Remember(bart.Encode(fours, null), null);
        using var other = bart.Remember(bart.Encode(threes, null, added), null);

        Assert.InRange(Fixtures.MaxDifference(bart.Encode(threes, null, added), bart.Encode(fours, null)), 0, 1e-5f);
        Assert.InRange(Fixtures.MaxDifference(bart.Decode(threes, other, added), bart.Decode(fours, cache)), 0, 1e-5f);
    }

    [Theory]
    [InlineData("Gelu", true)]
    [InlineData("GeluNew", false)]
    [InlineData("Relu", true)]
    [InlineData("Silu", false)]
    public void Gradients_are_the_slopes_that_small_steps_show(string activation, bool tied)
    {
        using var scope = TensorScope.Enter();
        using var bart = Make(Small with { Activation = Enum.Parse<BartActivation>(activation), TiedHead = tied });
        bart.To(ScalarType.Float64);
        using var draws = TorchRandom.Enter(4);
        var added = Tensor.RandN([2, 5, 8], ScalarType.Float64);
        added.RequiresGrad = true;
        var random = new Random(3);

        bart.Loss(Ids, Padding, Labels, added).Backward();

        foreach (var (name, parameter) in bart.NamedParameters().Append(("added", added)))
        {
            using var inner = TensorScope.Enter();
            var element = random.Next((int)parameter.Numel);
            var gradient = parameter.Grad!.Contiguous().ToArray<double>()[element];
            var slope = (LossAt(parameter, element, 1e-5) - LossAt(parameter, element, -1e-5)) / 2e-5;
            // A step of 1e-5 squared times a third derivative, which large weights make large, and 1e-16 / 1e-5 from rounding.
            Assert.True(Math.Abs(slope - gradient) <= 1e-6 * Math.Max(1, Math.Abs(slope)), $"{name}[{element}]: {gradient}, not {slope}");
        }

        double LossAt(Tensor tensor, int element, double step)
        {
            using var inner = TensorScope.Enter();
            using var noGrad = NoGrad.Enter();
            var value = tensor.View(-1).Select(0, element);
            value.Add_(step);
            var loss = bart.Loss(Ids, Padding, Labels, added).Item<double>();
            value.Sub_(step);
            return loss;
        }
    }

    [Fact]
    public void A_label_that_does_not_count_is_read_as_padding_and_predicted_by_nobody()
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var bart = Make(Small);
        using var cache = bart.Remember(bart.Encode(Ids, Padding), Padding);
        var logits = bart.Logits(bart.Decode(Rows([[2, 4, 1], [2, 10, 11]]), cache));
        var expected = Functional.CrossEntropy(logits.View(6, -1), Tensor.From([4L, -100, 9, 10, 11, -100]));

        var actual = bart.Loss(Ids, Padding, Tensor.From([4L, -100, 9, 10, 11, -100], 2, 3));

        Assert.Equal(expected.Item<float>(), actual.Item<float>(), 1e-5);
    }

    [Fact]
    public void A_batch_is_learnt_by_heart_and_then_written_in_one_guess()
    {
        using var bart = Make(Small with { Hidden = 16, InitDeviation = 0.1 });
        using var optimizer = new AdamW(bart.NamedParameters(), 1e-2);
        var loss = double.PositiveInfinity;
        for (var step = 0; step < 80; step++)
        {
            using var scope = TensorScope.Enter();
            optimizer.ZeroGrad();
            var value = bart.Loss(Ids, Padding, Labels);
            value.Backward();
            optimizer.Step();
            loss = value.Item<float>();
        }

        Assert.InRange(loss, 0, 0.05);
        using var outer = TensorScope.Enter();
        using var writer = new BartNextTokens(bart, Ids, Padding);
        var found = BeamSearch.Run(writer, new BeamOptions { MaxTokens = 5, End = 2 });
        Assert.Equal([[4, 9, 2], [10, 2]], found.Select(texts => texts[0].Tokens));
    }

    [Fact]
    public void Dropout_and_left_out_layers_act_while_training_only()
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var random = TorchRandom.Enter(2);
        using var plain = Make(Small);
        var expected = plain.Encode(Ids, Padding);
        foreach (var config in new[]
        {
            Small with { Dropout = 0.5 }, Small with { AttentionDropout = 0.5 }, Small with { ActivationDropout = 0.5 }, Small with { EncoderLayerDrop = 0.99 },
        })
        {
            using var bart = Make(config);
            Assert.Equal(0, Fixtures.MaxDifference(bart.Encode(Ids, Padding), expected));
            bart.Train();
            Assert.InRange(Fixtures.MaxDifference(bart.Encode(Ids, Padding), expected), 1e-3f, float.MaxValue);
        }
    }

    [Fact]
    public void Tokens_without_padding_give_the_loss_and_the_gradients_of_padded_rows()
    {
        using var scope = TensorScope.Enter();
        using var packed = Make(Small with { ScaleEmbedding = true });
        // Float64 has no fused operations.
        using var padded = Make(Small with { ScaleEmbedding = true });
        padded.To(ScalarType.Float64);
        var ids = Tensor.From([0L, 4, 5, 6, 2, 0, 7, 2, 1, 1, 0, 8, 9, 2, 1], 3, 5);
        // One label that is to be passed over, one text that is shorter, one that is empty.
        var labels = Tensor.From([4L, -100, 2, 10, 2, -100, -100, -100, -100], 3, 3);
        using var draws = TorchRandom.Enter(4);
        var (added, same) = (Tensor.RandN([3, 5, 8]), Tensor.Zeros([3, 5, 8], ScalarType.Float64));
        same.CopyFrom_(added);
        (added.RequiresGrad, same.RequiresGrad) = (true, true);

        var (loss, expected) = (packed.Loss(ids, ids.Eq(1), labels, added), padded.Loss(ids, ids.Eq(1), labels, same));
        loss.Backward();
        expected.Backward();

        Assert.Equal(expected.Item<double>(), loss.Item<float>(), 1e-5);
        foreach (var ((name, parameter), (_, other)) in packed.NamedParameters().Append(("added", added)).Zip(padded.NamedParameters().Append(("added", same))))
        {
            Assert.True(Fixtures.MaxDifference(parameter.Grad!, other.Grad!.To(ScalarType.Float32)) < 1e-5f, name);
        }
    }

    [Fact]
    public void Dropout_and_left_out_layers_change_the_loss_while_training_only()
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        using var random = TorchRandom.Enter(2);
        using var plain = Make(Small);
        var expected = plain.Loss(Ids, Padding, Labels).Item<float>();
        foreach (var config in new[]
        {
            Small with { Dropout = 0.5 }, Small with { AttentionDropout = 0.5 }, Small with { ActivationDropout = 0.5 }, Small with { DecoderLayerDrop = 0.99 },
        })
        {
            using var bart = Make(config);
            Assert.Equal(expected, bart.Loss(Ids, Padding, Labels).Item<float>());
            bart.Train();
            Assert.NotEqual(expected, bart.Loss(Ids, Padding, Labels).Item<float>(), 1e-3f);
        }
    }

    [Fact]
    public void The_same_random_numbers_drop_the_same_elements()
    {
        using var scope = TensorScope.Enter();
        using var bart = Make(Small with { Dropout = 0.5, AttentionDropout = 0.3, ActivationDropout = 0.3 });
        bart.Train();

        Assert.Equal(Loss(5), Loss(5));
        Assert.NotEqual(Loss(5), Loss(6));

        float Loss(int seed)
        {
            using var random = TorchRandom.Enter(seed);
            return bart.Loss(Ids, Padding, Labels).Item<float>();
        }
    }

    [Fact]
    public void More_tokens_than_positions_are_refused()
    {
        using var scope = TensorScope.Enter();
        using var bart = Make(Small);

        var error = Assert.Throws<ArgumentException>(() => bart.Encode(Tensor.Full([1, 10], 3, ScalarType.Int64), null));

        Assert.Equal("A row has 10 tokens; the model reads at most 9. Shorten it.", error.Message);
    }

    [Fact]
    public void A_model_in_training_does_not_write()
    {
        using var scope = TensorScope.Enter();
        using var bart = Make(Small);
        bart.Train();

        Assert.Throws<ArgumentException>(() => new BartNextTokens(bart, Ids, Padding));
    }

    private static Bart Make(BartConfig config)
    {
        using var random = TorchRandom.Enter(1);
        var bart = new Bart(config);
        bart.Eval();
        return bart;
    }

    private static Tensor Rows(long[][] rows) => Tensor.From([.. rows.SelectMany(row => row)], rows.Length, rows[0].Length);
}

namespace StreamRec.Torch.Tests;

/// <summary>The fused operations against the plain formulation in libtorch's own: 1e-5 is fp32 noise on sums of this size.</summary>
public sealed class PackedTests
{
    private const float Tolerance = 1e-5f;

    private static readonly long[] Offsets = [0, 1, 5, 5, 12, 32];

    [Theory]
    [InlineData(8, 2)]
    [InlineData(32, 2)]
    [InlineData(30, 3)]
    public void Attention_and_its_gradients_equal_the_plain_formulation(int d, int heads)
    {
        using var scope = TensorScope.Enter();
        var (q, k, v, weight) = (Leaf(32, d, 1), Leaf(32, d, 2), Leaf(32, d, 3), Plain(32, d, 4));

        var fused = Gradients(Packed.Attention(q, k, v, Tensor.From(Offsets), Tensor.Arange(32), heads), weight, q, k, v);
        var outputs = new List<float[]>();
        foreach (var (begin, length) in Offsets.Zip(Offsets[1..], (a, b) => (a, b - a)).Where(s => s.Item2 > 0))
        {
            var (one, two, three) = (Split(q), Split(k), Split(v));
            var future = Tensor.Ones([length, length], dtype: ScalarType.Bool).Triu(1);
            var scores = one.MatMul(two.Transpose(-1, -2)) * (1 / Math.Sqrt((double)d / heads));
            var output = scores.MaskedFill(future, -1e9).Softmax(-1).MatMul(three).Transpose(0, 1).Reshape([length, d]);
            outputs.Add(output.Detach().ToArray<float>());
            (output * weight.Narrow(0, begin, length)).Sum().Backward();

            Tensor Split(Tensor x) => x.Narrow(0, begin, length).View(length, heads, d / heads).Transpose(0, 1);
        }

        Near([.. outputs.SelectMany(o => o)], fused.Output);
        Near(q, fused.Gradients[0]);
        Near(k, fused.Gradients[1]);
        Near(v, fused.Gradients[2]);
    }

    [Theory]
    [InlineData(8, 2)]
    [InlineData(128, 2)]
    [InlineData(30, 3)]
    public void Full_attention_and_its_gradients_equal_the_plain_formulation(int d, int heads)
    {
        using var scope = TensorScope.Enter();
        // A sequence without queries, one without either, more queries than keys and fewer.
        long[] queryOffsets = [0, 0, 7, 7, 9, 12];
        var (q, k, v, weight) = (Leaf(12, d, 1), Leaf(32, d, 2), Leaf(32, d, 3), Plain(12, d, 4));

        var fused = Gradients(Packed.FullAttention(q, k, v, Tensor.From(queryOffsets), Tensor.From(Offsets), heads), weight, q, k, v);
        var outputs = new List<float[]>();
        for (var b = 0; b < 5; b++)
        {
            var (begin, length) = (queryOffsets[b], queryOffsets[b + 1] - queryOffsets[b]);
            if (length > 0)
            {
                var (one, two, three) = (Split(q, queryOffsets), Split(k, Offsets), Split(v, Offsets));
                var scores = one.MatMul(two.Transpose(-1, -2)) * (1 / Math.Sqrt((double)d / heads));
                var output = scores.Softmax(-1).MatMul(three).Transpose(0, 1).Reshape([length, d]);
                outputs.Add(output.Detach().ToArray<float>());
                (output * weight.Narrow(0, begin, length)).Sum().Backward();
            }

            Tensor Split(Tensor x, long[] offsets) =>
                x.Narrow(0, offsets[b], offsets[b + 1] - offsets[b]).View(-1, heads, d / heads).Transpose(0, 1);
        }

        Near([.. outputs.SelectMany(o => o)], fused.Output);
        Near(q, fused.Gradients[0]);
        Near(k, fused.Gradients[1]);
        Near(v, fused.Gradients[2]);
    }

    [Fact]
    public void Attention_of_some_slots_is_that_of_all_at_these_slots()
    {
        using var scope = TensorScope.Enter();
        var (q, k, v) = (Leaf(32, 8, 1), Leaf(32, 8, 2), Leaf(32, 8, 3));
        // The last of each sequence, and two more of the longest; one sequence has none.
        var slots = Tensor.From<long>([0, 11, 13, 20, 31], 5);
        var weight = Plain(5, 8, 4);
        var offsets = Tensor.From(Offsets);

        var all = Gradients(Packed.Attention(q, k, v, offsets, Tensor.Arange(32), 2).IndexSelect(0, slots), weight, q, k, v);
        var some = Gradients(Packed.Attention(q.IndexSelect(0, slots), k, v, offsets, slots, 2), weight, q, k, v);

        Near(all.Output, some.Output);
        foreach (var (expected, actual) in all.Gradients.Zip(some.Gradients))
            Near(expected, actual);
    }

    [Fact]
    public void Dropped_attention_weights_give_the_gradients_of_their_own_forward_pass()
    {
        using var scope = TensorScope.Enter();
        var (q, k, v, weight) = (Leaf(32, 8, 1), Leaf(32, 8, 2), Leaf(32, 8, 3), Plain(32, 8, 4));
        var offsets = Tensor.From(Offsets);
        Tensor Forward() => (Packed.Attention(q, k, v, offsets, Tensor.Arange(32), 2, 0.4, 99) * weight).Sum();
        var gradients = Gradients(Packed.Attention(q, k, v, offsets, Tensor.Arange(32), 2, 0.4, 99), weight, q, k, v).Gradients;

        AssertDerivative(Forward, [q, k, v], gradients);
        Assert.NotEqual(Forward().Item<float>(), (Packed.Attention(q, k, v, offsets, Tensor.Arange(32), 2, 0.4, 100) * weight).Sum().Item<float>());
    }

    [Fact]
    public void Residual_norm_and_its_gradients_equal_the_plain_formulation()
    {
        using var scope = TensorScope.Enter();
        var (x, y, weight) = (Leaf(37, 24, 1), Leaf(37, 24, 2), Plain(37, 24, 3));
        using var norm = new LayerNorm(24);
        using (NoGrad.Enter())
        {
            norm.Weight.CopyFrom_(Plain(1, 24, 5).View(24));
            norm.Bias.CopyFrom_(Plain(1, 24, 6).View(24));
        }

        var fused = Gradients(Packed.ResidualNorm(x, y, norm), weight, x, y, norm.Weight, norm.Bias);
        var plain = Gradients(norm.Forward(x + y), weight, x, y, norm.Weight, norm.Bias);

        Near(plain.Output, fused.Output);
        for (var i = 0; i < 4; i++)
            Near(plain.Gradients[i], fused.Gradients[i]);
    }

    [Fact]
    public void A_residual_with_dropout_gives_the_gradients_of_its_own_forward_pass()
    {
        using var scope = TensorScope.Enter();
        var (x, y, weight) = (Leaf(9, 16, 1), Leaf(9, 16, 2), Plain(9, 16, 3));
        using var norm = new LayerNorm(16);

        var gradients = Gradients(Packed.ResidualNorm(x, y, norm, 0.3, 5), weight, x, y).Gradients;

        AssertDerivative(() => (Packed.ResidualNorm(x, y, norm, 0.3, 5) * weight).Sum(), [x, y], gradients);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    public void Dropout_keeps_its_share_and_the_mean(double p)
    {
        using var scope = TensorScope.Enter();
        var table = Tensor.Ones([1, 64]);

        var kept = Packed.EmbeddingSum([table], Tensor.Zeros([1, 1000], ScalarType.Int64), p, 7).ToArray<float>();

        // 64,000 draws: four standard deviations of the share are 0.008.
        Assert.InRange(kept.Count(value => value == 0) / (double)kept.Length, p - 0.008, p + 0.008);
        Assert.All(kept, value => Assert.True(value == 0 || Math.Abs(value - (1 / (1 - p))) < 1e-6));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.25)]
    public void A_sum_of_embeddings_adds_its_gradient_to_the_rows_it_read(double p)
    {
        using var scope = TensorScope.Enter();
        var (first, second, weight) = (Leaf(6, 8, 1), Leaf(4, 8, 2), Plain(5, 8, 3));
        var indices = Tensor.From([1L, 1, 5, 0, 1, 3, 3, 2, 0, 0], 2, 5);

        var sum = Packed.EmbeddingSum([first, second], indices, p, 3);
        Packed.EmbeddingSumBackward([first, second], indices, weight, p, 3);
        var (one, two) = (first.Grad!.ToArray<float>(), second.Grad!.ToArray<float>());
        (first.Grad, second.Grad) = (null, null);
        var kept = Packed.EmbeddingSum([Tensor.Ones([1, 8])], Tensor.Zeros([1, 5], ScalarType.Int64), p, 3);
        var plain = Gradients(
            (Functional.Embedding(first, indices.Select(0, 0)) + Functional.Embedding(second, indices.Select(0, 1))) * kept, weight, first, second);

        Near(plain.Output, sum.ToArray<float>());
        Near(plain.Gradients[0], one);
        Near(plain.Gradients[1], two);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.1, 1)]
    [InlineData(0.1, 2)]
    public void The_softmax_loss_and_its_gradients_equal_the_plain_formulation(double smoothing, int threads)
    {
        using var scope = TensorScope.Enter();
        var before = TorchRuntime.Threads;
        TorchRuntime.SetThreads(threads);
        try
        {
            using var random = TorchRandom.Enter(1);
            var (hidden, table) = (Leaf(150, 12, 1), Leaf(20_001, 12, 2));
            var targets = Tensor.RandInt(1, 20_001, [150]);

            var loss = TableLoss.Softmax(hidden, table, targets, smoothing, out var gradient);
            var rows = table.Grad!.ToArray<float>();
            table.Grad = null;
            var plain = Functional.CrossEntropy(
                hidden.MatMul(table.Narrow(0, 1, 20_000).T), targets - 1, labelSmoothing: smoothing);
            plain.Backward();

            Assert.Equal(plain.Item<double>(), loss, 1e-5);
            Near(hidden, gradient.ToArray<float>());
            Near(table, rows);
        }
        finally
        {
            TorchRuntime.SetThreads(before);
        }
    }

    [Fact]
    public void The_sampled_softmax_over_all_rows_is_the_softmax()
    {
        using var random = TorchRandom.Enter(1);
        using var scope = TensorScope.Enter();
        var (hidden, table) = (Leaf(150, 12, 1), Leaf(301, 12, 2));
        var targets = Tensor.RandInt(1, 301, [150]);

        var full = TableLoss.Softmax(hidden, table, targets, 0, out var gradient);
        var rows = table.Grad!.ToArray<float>();
        table.Grad = null;
        var sampled = TableLoss.SampledSoftmax(hidden, table, targets, Tensor.Arange(1, 301, 1), out var other);

        Assert.Equal(full, sampled, 1e-5);
        Near(gradient.ToArray<float>(), other.ToArray<float>());
        Near(table, rows);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void A_sample_of_nothing_but_the_target_teaches_nothing(int rows)
    {
        using var scope = TensorScope.Enter();
        var (hidden, table) = (Leaf(3, 12, 1), Leaf(rows, 12, 2));

        var loss = TableLoss.SampledSoftmax(hidden, table, Tensor.From([1L, 1, 1], 3), Tensor.From([1L], 1), out var gradient);

        Assert.Equal(0, loss);
        Assert.All(gradient.ToArray<float>().Concat(table.Grad!.ToArray<float>()), one => Assert.Equal(0, one));
    }

    [Fact]
    public void The_sampled_softmax_and_its_gradients_equal_the_plain_formulation()
    {
        using var random = TorchRandom.Enter(1);
        using var scope = TensorScope.Enter();
        var (hidden, table) = (Leaf(40, 12, 1), Leaf(101, 12, 2));
        var targets = Tensor.RandInt(1, 101, [40]);
        // Rows 1, 4, 7, …: some are targets of some positions.
        var negatives = Tensor.Arange(1, 101, 3);

        var loss = TableLoss.SampledSoftmax(hidden, table, targets, negatives, out var gradient);
        var rows = table.Grad!.ToArray<float>();
        table.Grad = null;
        var own = negatives.Unsqueeze(0).Eq(targets.Unsqueeze(1));                                // [N, S]
        var others = own.LogicalNot().To(ScalarType.Float32).Sum(1).Unsqueeze(1);
        var logits = hidden.MatMul(Functional.Embedding(table, negatives).T).MaskedFill(own, -1e9) - (others / 99.0).Log();
        var right = (hidden * Functional.Embedding(table, targets)).Sum(-1).Unsqueeze(1);
        var plain = Functional.CrossEntropy(Tensor.Cat([right, logits], 1), Tensor.Zeros([40], dtype: ScalarType.Int64));
        plain.Backward();

        Assert.Equal(plain.Item<double>(), loss, 1e-5);
        Near(hidden, gradient.ToArray<float>());
        Near(table, rows);
    }

    [Fact]
    public void The_binary_loss_and_its_gradients_equal_the_plain_formulation()
    {
        using var random = TorchRandom.Enter(1);
        using var scope = TensorScope.Enter();
        var (hidden, table) = (Leaf(40, 12, 1), Leaf(30, 12, 2));
        var (targets, negatives) = (Tensor.RandInt(1, 30, [40]), Tensor.RandInt(1, 30, [40]));

        var loss = TableLoss.BinaryCrossEntropy(hidden, table, targets, negatives, out var gradient);
        var rows = table.Grad!.ToArray<float>();
        table.Grad = null;
        var positive = (hidden * Functional.Embedding(table, targets)).Sum(-1);
        var negative = (hidden * Functional.Embedding(table, negatives)).Sum(-1);
        var plain = ((-positive).Softplus() + negative.Softplus()).Mean();
        plain.Backward();

        Assert.Equal(plain.Item<double>(), loss, 1e-5);
        Near(hidden, gradient.ToArray<float>());
        Near(table, rows);
    }

    [Fact]
    public void An_index_that_a_table_does_not_have_is_refused()
    {
        using var scope = TensorScope.Enter();
        var table = Leaf(4, 8, 1);

        Assert.Throws<TorchException>(() => Packed.EmbeddingSum([table], Tensor.From([4L], 1, 1)));
        Assert.Throws<TorchException>(() => TableLoss.Softmax(Leaf(1, 8, 2), table, Tensor.From([0L], 1), 0, out _));
        Assert.Throws<TorchException>(() => TableLoss.SampledSoftmax(Leaf(1, 8, 2), table, Tensor.From([1L], 1), Tensor.From([2L, 4], 2), out _));
        Assert.Throws<TorchException>(() => TableLoss.SampledSoftmax(Leaf(1, 8, 2), table, Tensor.From([1L], 1), Tensor.From([2L, 2], 2), out _));
        Assert.Throws<TorchException>(() => TableLoss.SampledSoftmax(Leaf(1, 8, 2), table, Tensor.From([1L], 1), Tensor.From([0L], 1), out _));
        Assert.Throws<TorchException>(() => Packed.Attention(table, table, table, Tensor.From([0L, 5], 2), Tensor.Arange(4), 2));
        Assert.Throws<TorchException>(() => Packed.Attention(table, table, table, Tensor.From([0L, 4], 2), Tensor.From([0L, 1, 1, 2], 4), 2));
        Assert.Throws<TorchException>(() => Packed.Attention(table, table, table, Tensor.From([0L, 4], 2), Tensor.From([0L, 1, 2, 4], 4), 2));
        Assert.Throws<TorchException>(() => Packed.Attention(table, table, table, Tensor.From([0L, 4], 2), Tensor.Arange(3), 2));
        Assert.Throws<TorchException>(() => Packed.FullAttention(table, table, table, Tensor.From([0L, 3], 2), Tensor.From([0L, 4], 2), 2));
        Assert.Throws<TorchException>(() => Packed.FullAttention(table, table, table, Tensor.From([0L, 4], 2), Tensor.From([0L, 5], 2), 2));
        Assert.Throws<TorchException>(() => Packed.FullAttention(table, table, table, Tensor.From([0L, 4], 2), Tensor.From([0L, 2, 4], 3), 2));
        Assert.Throws<TorchException>(() => Packed.FullAttention(table, table, table, Tensor.From([0L, 2, 4], 3), Tensor.From([0L, 4, 4], 3), 2));
    }

    private static Tensor Plain(int rows, int columns, int seed) => Tensor.From([.. Nd.Random([rows, columns], -1, 1, seed).Data.Select(x => (float)x)], rows, columns);

    private static Tensor Leaf(int rows, int columns, int seed)
    {
        var leaf = Plain(rows, columns, seed);
        leaf.RequiresGrad = true;
        return leaf;
    }

    // The gradients of sum(output * weight), which are cleared again.
    private static (float[] Output, float[][] Gradients) Gradients(Tensor output, Tensor weight, params Tensor[] leaves)
    {
        (output * weight).Sum().Backward();
        float[][] gradients = [.. leaves.Select(leaf => leaf.Grad!.ToArray<float>())];
        foreach (var leaf in leaves)
            leaf.Grad = null;
        return (output.Detach().ToArray<float>(), gradients);
    }

    // Along a random direction, by central differences: fp32 leaves about 1e-3 of relative error.
    private static void AssertDerivative(Func<Tensor> forward, Tensor[] leaves, float[][] gradients)
    {
        for (var i = 0; i < leaves.Length; i++)
        {
            using var noGrad = NoGrad.Enter();
            var direction = Plain((int)leaves[i].Size(0), (int)leaves[i].Size(1), 50 + i);
            const double Step = 1e-2;
            var expected = gradients[i].Zip(direction.ToArray<float>(), (a, b) => (double)a * b).Sum();
            leaves[i].Add_(direction * Step);
            var up = forward().Item<double>();
            leaves[i].Sub_(direction * (2 * Step));
            var down = forward().Item<double>();
            leaves[i].Add_(direction * Step);
            Assert.InRange((up - down) / (2 * Step), expected - 0.01 - (0.01 * Math.Abs(expected)), expected + 0.01 + (0.01 * Math.Abs(expected)));
        }
    }

    private static void Near(Tensor leaf, float[] actual) => Near(leaf.Grad!.ToArray<float>(), actual);

    private static void Near(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.InRange(pair.First - pair.Second, -Tolerance, Tolerance));
    }
}

using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>What a step of training minimises, over the predicted positions of a batch.</summary>
internal interface IRecGptLoss
{
    /// <summary>Adds the gradients of the mean loss to the model's parameters and returns the mean loss.</summary>
    /// <param name="hidden">float [N, d] with gradient: hidden states of the predicted positions.</param>
    /// <param name="targets">int64 [N]: the item row that came next.</param>
    /// <param name="itemTable">float [rows, d]: the item table; row 0 is padding.</param>
    /// <param name="random">For negatives.</param>
    /// <param name="refused">
    /// For each position the item row that was shown there and not taken, 0 = none; empty when there are none. The softmax over all items has
    /// every one of them as a negative already; the others take them before random ones.
    /// </param>
    double Backward(Tensor hidden, Tensor targets, Tensor itemTable, Random random, ReadOnlySpan<int> refused);
}

/// <summary>Stage 1 of the paper: binary cross-entropy against one negative a position (equation of L_SR), uniform unless the user refused something there.</summary>
internal sealed class BinaryCrossEntropyLoss : IRecGptLoss
{
    public double Backward(Tensor hidden, Tensor targets, Tensor itemTable, Random random, ReadOnlySpan<int> refused)
    {
        var rows = itemTable.Size(0);
        var expected = targets.ToArray<long>();
        var negatives = new long[expected.Length];
        for (var i = 0; i < negatives.Length; i++)
        {
            if (i < refused.Length && refused[i] != 0)
            {
                negatives[i] = refused[i];
                continue;
            }

            // Departs: any item but the target and padding; the released code draws among those that the user never had.
            var negative = 1 + random.NextInt64(Math.Max(1, rows - 2));
            negatives[i] = negative >= expected[i] && rows > 2 ? negative + 1 : negative;
        }

        using var scope = TensorScope.Enter();
        var loss = TableLoss.BinaryCrossEntropy(hidden, itemTable, targets, Tensor.From(negatives), out var gradient);
        hidden.Backward(gradient);
        return loss;
    }
}

/// <summary>
/// Cross-entropy of the softmax over the target and a sample of items for the whole batch: what was refused anywhere in it, up to half of the
/// sample, and items drawn uniformly.
/// </summary>
/// <param name="count">Items in the sample; all when there are fewer.</param>
internal sealed class SampledSoftmaxLoss(int count) : IRecGptLoss
{
    public double Backward(Tensor hidden, Tensor targets, Tensor itemTable, Random random, ReadOnlySpan<int> refused)
    {
        using var scope = TensorScope.Enter();
        var loss = TableLoss.SampledSoftmax(hidden, itemTable, targets, Tensor.From(Draw((int)itemTable.Size(0) - 1, random, refused)), out var gradient);
        hidden.Backward(gradient);
        return loss;
    }

    // The first places of a shuffle of rows 1 to items that begins with the refused ones.
    private long[] Draw(int items, Random random, ReadOnlySpan<int> refused)
    {
        var rows = new long[items];
        for (var i = 0; i < items; i++)
        {
            rows[i] = i + 1;
        }

        var drawn = Math.Min(count, items);
        var given = 0;
        // Where a row stands that is not at its own place any more.
        var places = new Dictionary<long, int>();
        foreach (var row in refused)
        {
            var at = places.GetValueOrDefault(row, row - 1);
            if (row != 0 && given < drawn / 2 && at >= given)
            {
                places[rows[given]] = at;
                places[row] = given;
                (rows[given], rows[at]) = (rows[at], rows[given]);
                given++;
            }
        }

        for (var i = given; i < drawn; i++)
        {
            var other = random.Next(i, items);
            (rows[i], rows[other]) = (rows[other], rows[i]);
        }

        return rows[..drawn];
    }
}

/// <summary>Cross-entropy of the softmax over all items.</summary>
/// <param name="smoothing">Share of a target that is spread over all items, in [0, 1).</param>
internal sealed class FullSoftmaxLoss(double smoothing) : IRecGptLoss
{
    public double Backward(Tensor hidden, Tensor targets, Tensor itemTable, Random random, ReadOnlySpan<int> refused)
    {
        using var scope = TensorScope.Enter();
        var loss = TableLoss.Softmax(hidden, itemTable, targets, smoothing, out var gradient);
        hidden.Backward(gradient);
        return loss;
    }
}

/// <summary>Cross-entropy of the authors' own head, a matrix and a bias, over all rows with padding: <see cref="RecGptConfig.TiedHead"/> off.</summary>
/// <param name="head">The head.</param>
/// <param name="smoothing">Share of the target that is spread over all rows, in [0, 1).</param>
internal sealed class SeparateHeadLoss(Linear head, double smoothing) : IRecGptLoss
{
    /// <summary>Logits held at once: 2 M floats are 8 MB, which the allocator keeps for the next chunk.</summary>
    private const long ChunkLogits = 2 << 20;

    public double Backward(Tensor hidden, Tensor targets, Tensor itemTable, Random random, ReadOnlySpan<int> refused)
    {
        using var scope = TensorScope.Enter();
        var n = hidden.Size(0);
        var chunk = Math.Clamp(ChunkLogits / itemTable.Size(0), 1, n);
        // Gradients are collected at a detached copy of the hidden states; one backward pass then carries them through the decoder.
        var cut = hidden.Detach();
        cut.RequiresGrad = true;
        var total = 0.0;
        for (long start = 0; start < n; start += chunk)
        {
            using var inner = TensorScope.Enter();
            var length = Math.Min(chunk, n - start);
            var logits = head.Forward(cut.Narrow(0, start, length));
            var loss = Functional.CrossEntropy(logits, targets.Narrow(0, start, length), labelSmoothing: smoothing) * ((double)length / n);
            loss.Backward();
            total += loss.Item<float>();
        }

        (hidden * cut.Grad!.Detach()).Sum().Backward();
        return total;
    }
}

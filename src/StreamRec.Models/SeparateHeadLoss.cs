using StreamRec.Torch;

namespace StreamRec.Models;

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

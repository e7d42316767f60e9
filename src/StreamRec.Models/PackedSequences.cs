using StreamRec.Torch;

namespace StreamRec.Models;

/// <summary>A batch of sequences one after another, without padding.</summary>
/// <param name="Indices">int64 [4, N]: item row, position, segment and user row of each slot.</param>
/// <param name="Offsets">int64 [B + 1]: where each sequence begins.</param>
/// <param name="Seed">Of the dropout of the embeddings.</param>
internal sealed record PackedSequences(Tensor Indices, Tensor Offsets, long Seed)
{
    /// <summary>Packs windows, and returns what each slot predicts.</summary>
    /// <param name="windows">At least one slot each.</param>
    /// <param name="maxLength">Positions of the model: the newest item that is read sits in the last one.</param>
    /// <param name="seed">Of the dropout.</param>
    /// <param name="targets">int64 [N]: the next item row, 0 where nothing is predicted.</param>
    public static PackedSequences Of(IReadOnlyList<TrainingWindow> windows, int maxLength, long seed, out Tensor targets)
    {
        var offsets = new long[windows.Count + 1];
        for (var i = 0; i < windows.Count; i++)
        {
            offsets[i + 1] = offsets[i] + windows[i].Items.Length;
        }

        var count = (int)offsets[^1];
        var indices = new long[4 * count];
        var next = new long[count];
        for (var i = 0; i < windows.Count; i++)
        {
            var (user, items, expected, segments, _) = windows[i];
            for (var t = 0; t < items.Length; t++)
            {
                var slot = (int)offsets[i] + t;
                indices[slot] = items[t];
                indices[count + slot] = maxLength - items.Length + t;
                indices[(2 * count) + slot] = segments?[t] ?? 0;
                indices[(3 * count) + slot] = user;
                next[slot] = expected[t];
            }
        }

        targets = Tensor.From(next);
        return new PackedSequences(Tensor.From<long>(indices, 4, count), Tensor.From(offsets), seed);
    }
}

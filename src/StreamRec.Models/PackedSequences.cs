using StreamRec.Torch;

namespace StreamRec.Models;

/// <summary>A batch of sequences one after another, without padding.</summary>
/// <param name="Indices">int64 [4, N]: item row, user row, position and segment of each slot.</param>
/// <param name="Offsets">int64 [B + 1]: where each sequence begins.</param>
/// <param name="Seed">Of the dropout of the embeddings.</param>
internal sealed record PackedSequences(Tensor Indices, Tensor Offsets, long Seed)
{
    /// <summary>Packs windows whose last item is only predicted, and returns what each slot predicts.</summary>
    /// <param name="windows">At least two rows each.</param>
    /// <param name="maxLength">Positions of the model: the newest item that is read sits in the last one.</param>
    /// <param name="seed">Of the dropout.</param>
    /// <param name="targets">int64 [N]: the next item row.</param>
    public static PackedSequences Of(IReadOnlyList<RowWindow> windows, int maxLength, long seed, out Tensor targets)
    {
        var offsets = new long[windows.Count + 1];
        for (var i = 0; i < windows.Count; i++)
        {
            offsets[i + 1] = offsets[i] + windows[i].Rows.Length - 1;
        }

        var count = (int)offsets[^1];
        var indices = new long[4 * count];
        var next = new long[count];
        for (var i = 0; i < windows.Count; i++)
        {
            var rows = windows[i].Rows;
            for (var t = 0; t < rows.Length - 1; t++)
            {
                var slot = (int)offsets[i] + t;
                indices[slot] = rows[t];
                indices[count + slot] = windows[i].User;
                indices[(2 * count) + slot] = maxLength - rows.Length + 1 + t;
                next[slot] = rows[t + 1];
            }
        }

        targets = Tensor.From(next);
        return new PackedSequences(Tensor.From<long>(indices, 4, count), Tensor.From(offsets), seed);
    }
}

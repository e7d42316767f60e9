using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>A batch of training windows one after another, without padding.</summary>
/// <param name="Indices">int64 [tables, N]: item row, position, segment and, where the model has a user table, user row of each slot.</param>
/// <param name="Offsets">int64 [B + 1]: where each window begins.</param>
/// <param name="Slots">int64 [N]: 0 to N - 1.</param>
/// <param name="Predicted">int64 [M]: the slots that predict something, rising.</param>
/// <param name="Targets">int64 [M]: the item rows that they predict.</param>
/// <param name="Seed">Of the dropout of the embeddings.</param>
internal sealed record PackedSequences(Tensor Indices, Tensor Offsets, Tensor Slots, Tensor Predicted, Tensor Targets, long Seed)
{
    /// <summary>Packs windows.</summary>
    /// <param name="windows">Without padding.</param>
    /// <param name="maxLength">Positions of the model: the newest item sits in the last one.</param>
    /// <param name="users">Whether the model has a user table.</param>
    /// <param name="seed">Of the dropout.</param>
    public static PackedSequences Of(IReadOnlyList<TrainingWindow> windows, int maxLength, bool users, long seed)
    {
        var offsets = new long[windows.Count + 1];
        for (var i = 0; i < windows.Count; i++)
        {
            offsets[i + 1] = offsets[i] + windows[i].Items.Length;
        }

        var count = (int)offsets[^1];
        var tables = users ? 4 : 3;
        var indices = new long[tables * count];
        var (predicted, targets) = (new List<long>(count), new List<long>(count));
        for (var i = 0; i < windows.Count; i++)
        {
            var window = windows[i];
            for (var t = 0; t < window.Items.Length; t++)
            {
                var slot = (int)offsets[i] + t;
                indices[slot] = window.Items[t];
                indices[count + slot] = maxLength - window.Items.Length + t;
                indices[(2 * count) + slot] = window.Segments?[t] ?? 0;
                if (users)
                {
                    indices[(3 * count) + slot] = window.User;
                }

                if (window.Targets[t] != 0)
                {
                    predicted.Add(slot);
                    targets.Add(window.Targets[t]);
                }
            }
        }

        return new PackedSequences(
            Tensor.From<long>(indices, tables, count), Tensor.From(offsets),
            Tensor.Arange(0, count, 1), Tensor.From([.. predicted]), Tensor.From([.. targets]), seed);
    }
}

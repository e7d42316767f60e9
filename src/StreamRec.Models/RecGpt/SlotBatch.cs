using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>Sequences of different lengths as one tensor with padding on the left.</summary>
internal static class SlotBatch
{
    // Windows are padded only up to the next of these lengths, or the model's maximum.
    private static readonly int[] Lengths = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

    /// <summary>The padded length of a window.</summary>
    public static int LengthFor(int length, RecGptConfig config) =>
        config.Legacy.PaddedWindows
            ? config.MaxLength
            : Math.Min(config.MaxLength, Lengths.FirstOrDefault(l => l >= length, config.MaxLength));

    /// <summary>int64 [B, length], the newest slot last, 0 before the first.</summary>
    public static Tensor Pad(IReadOnlyList<int[]> sequences, int length)
    {
        var slots = new long[sequences.Count * length];
        for (var i = 0; i < sequences.Count; i++)
        {
            var start = ((i + 1) * length) - sequences[i].Length;
            for (var t = 0; t < sequences[i].Length; t++)
            {
                slots[start + t] = sequences[i][t];
            }
        }

        return Tensor.From<long>(slots, sequences.Count, length);
    }
}

using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>A text that is read.</summary>
/// <param name="Tokens">From begin to end.</param>
/// <param name="Users">For each token the user row of its word, 0 = none.</param>
/// <param name="Items">For each token the item row of its word, 0 = none.</param>
internal readonly record struct GenRecText(int[] Tokens, int[] Users, int[] Items);

/// <summary>Texts as tensors, padded on the right to the longest.</summary>
/// <param name="Tokens">int64 [B, S].</param>
/// <param name="Padding">bool [B, S], true where a text has ended; null where all are of one length.</param>
/// <param name="Users">int64 [B, S].</param>
/// <param name="Items">int64 [B, S].</param>
internal sealed record GenRecBatch(Tensor Tokens, Tensor? Padding, Tensor Users, Tensor Items)
{
    private const long Ignored = -100;

    /// <summary>Pads texts; there is at least one.</summary>
    public static GenRecBatch Of(IReadOnlyList<GenRecText> texts, int pad)
    {
        var length = texts.Max(text => text.Tokens.Length);
        var ended = new bool[texts.Count * length];
        foreach (var (i, text) in texts.Index())
        {
            ended.AsSpan((i * length) + text.Tokens.Length, length - text.Tokens.Length).Fill(true);
        }

        return new GenRecBatch(
            Pad([.. texts.Select(text => text.Tokens)], length, pad),
            Array.IndexOf(ended, true) < 0 ? null : Tensor.From(ended, texts.Count, length),
            Pad([.. texts.Select(text => text.Users)], length, 0),
            Pad([.. texts.Select(text => text.Items)], length, 0));
    }

    /// <summary>int64 [B, T]: what is to be written, ignored where it has ended.</summary>
    public static Tensor Labels(IReadOnlyList<int[]> targets) => Pad(targets, targets.Max(target => target.Length), Ignored);

    /// <summary>Cuts texts that are sorted by length into parts whose padded tokens stay within a bound; a longer text has a part of its own.</summary>
    /// <param name="lengths">Tokens of each text, never falling.</param>
    /// <param name="tokens">The bound.</param>
    /// <param name="most">Texts in a part at the most.</param>
    public static IEnumerable<Range> Parts(IReadOnlyList<int> lengths, int tokens, int most = int.MaxValue)
    {
        for (var start = 0; start < lengths.Count;)
        {
            var end = start + 1;
            while (end < lengths.Count && end - start < most && (long)(end - start + 1) * lengths[end] <= tokens)
            {
                end++;
            }

            yield return start..end;
            start = end;
        }
    }

    private static Tensor Pad(IReadOnlyList<int[]> rows, int length, long pad)
    {
        var padded = new long[rows.Count * length];
        Array.Fill(padded, pad);
        foreach (var (i, row) in rows.Index())
        {
            for (var t = 0; t < row.Length; t++)
            {
                padded[(i * length) + t] = row[t];
            }
        }

        return Tensor.From<long>(padded, rows.Count, length);
    }
}

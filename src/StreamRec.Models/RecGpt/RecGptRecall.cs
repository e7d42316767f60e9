namespace StreamRec.Models.RecGpt;

/// <summary>How lists are made.</summary>
public sealed record RecGptRecallOptions
{
    /// <summary>Items of a list of 10 that come from the second step, 0 to 5, in proportion for other lengths; 0 = one step. Null = chosen on validation.</summary>
    public int? N { get; init; }
}

/// <summary>
/// Auto-regressive recall: the first step ranks by the hidden state of the window, the second by that of the window with the model's own
/// next item added as a prompt. A list is the best m of the first step, then the best n of the second that are not among them.
/// </summary>
/// <remarks>
/// Departs: masked items and padding are left out (the released code gives the former score 0 and forgets the latter); (m, n) is chosen on
/// validation only (the released code invites a choice on test).
/// </remarks>
internal static class RecGptRecall
{
    /// <summary>Largest n of 10 that is tried; the paper sweeps (10, 0) to (5, 5) and finds (9, 1) and (8, 2) best.</summary>
    public const int MaxSecond = 5;

    /// <summary>n for a list of k: <paramref name="ofTen"/> tenths of it, at least one when any and at least one left for the first step.</summary>
    public static int SecondOf(int k, int ofTen) =>
        ofTen == 0 ? 0 : Math.Clamp((int)Math.Round(k * ofTen / 10.0, MidpointRounding.AwayFromZero), Math.Min(1, k - 1), k - 1);

    /// <summary>The second step's window: the next item pushed with segment 1, the oldest slot dropped when there is no place.</summary>
    public static RowWindow Push(RowWindow window, int next, int maxLength)
    {
        int[] items = [.. window.Rows, next];
        int[] segments = [.. window.Segments ?? new int[window.Rows.Length], 1];
        var length = Math.Min(maxLength, items.Length);
        return window with { Rows = items[^length..], Segments = segments[^length..] };
    }

    /// <summary>Rows of the list, best first: plain concatenation as in the paper.</summary>
    /// <param name="first">Scores of the first step by row, negative infinity = not in a list. Rows of the second step are overwritten by what is reported for them.</param>
    /// <param name="second">Scores of the second step by row; overwritten.</param>
    /// <param name="k">Items wanted.</param>
    /// <param name="n">Of these from the second step.</param>
    /// <remarks>
    /// The steps score from different hidden states, so their scores do not compare. What is reported for the second step is lowered as a
    /// whole until it does not exceed the first step's last: scores never rise along a list, differences within a step are kept.
    /// </remarks>
    public static int[] Merge(Span<float> first, Span<float> second, int k, int n)
    {
        var begin = TopK.Select(first, k - n);
        foreach (var row in begin)
        {
            second[row] = float.NegativeInfinity;
        }

        var end = TopK.Select(second, n);
        if (begin.Length > 0 && end.Length > 0)
        {
            var shift = Math.Min(0, first[begin[^1]] - second[end[0]]);
            foreach (var row in end)
            {
                // Rounding must not undo it.
                first[row] = Math.Min(first[begin[^1]], second[row] + shift);
            }
        }

        return [.. begin, .. end];
    }

    /// <summary>The n of 10 with the best NDCG@10, the smallest of equal ones.</summary>
    /// <param name="places">For each case and n in 0..5, where its target stands in the list of 10: 0 is the top, -1 = not in it.</param>
    public static int Best(IReadOnlyList<int[]> places) =>
        Enumerable.Range(0, MaxSecond + 1).MaxBy(n => places.Sum(place => place[n] < 0 ? 0 : 1 / Math.Log2(place[n] + 2)));
}

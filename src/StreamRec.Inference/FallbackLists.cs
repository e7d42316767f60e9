using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>The list where no model answers, and a baseline that a model must beat: what the counted transitions speak for, then what is popular.</summary>
/// <remarks>Up to date with the last interaction. Threading: every member from any thread.</remarks>
/// <param name="catalogue">Which items are available.</param>
/// <param name="evidence">Items that it scores above 0 are those it speaks for.</param>
/// <param name="popularity">Fills the list up.</param>
public sealed class FallbackLists(Catalogue catalogue, IEvidence evidence, Popularity popularity)
{
    private const string Source = "transitions";

    /// <summary>The k best available items that are not masked, best first; fewer only where fewer items have occurred.</summary>
    /// <param name="k">Items wanted.</param>
    /// <param name="window">Item numbers that the user has had, oldest first.</param>
    /// <param name="masked">Item numbers that must not be in the list.</param>
    public IReadOnlyList<RankedItem> Top(int k, ReadOnlySpan<int> window, ReadOnlySpan<int> masked)
    {
        var list = window.IsEmpty ? [] : ByEvidence(k, window, masked);
        if (list.Count == k)
        {
            return list;
        }

        var popular = popularity.Top(k - list.Count, [.. masked, .. list.Select(item => item.Item)]);
        if (list.Count == 0 || popular.Count == 0)
        {
            return list.Count == 0 ? popular : list;
        }

        // Counts in units of the last score, so that scores never rise along the list.
        var unit = list[^1].Score / (popular[0].Score + 1);
        return [.. list, .. popular.Select(item => item with { Score = item.Score * unit })];
    }

    private List<RankedItem> ByEvidence(int k, ReadOnlySpan<int> window, ReadOnlySpan<int> masked)
    {
        var buffer = ArrayPool<float>.Shared.Rent(catalogue.Count);
        try
        {
            var scores = buffer.AsSpan(0, catalogue.Count);
            scores.Clear();
            evidence.AddTo(window, 1, scores);
            foreach (var item in masked)
            {
                scores[item] = 0;
            }

            return Best(k, scores);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(buffer);
        }
    }

    private List<RankedItem> Best(int k, ReadOnlySpan<float> scores)
    {
        // Of equal scores the one found later leaves first.
        var best = new PriorityQueue<int, (float Score, int Order)>(k + 1);
        var bar = 0f;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(scores);
        for (var start = 0; start < scores.Length; start += Vector<float>.Count)
        {
            // Almost nothing has evidence, and less is above the bar.
            var v = start / Vector<float>.Count;
            if (v < vectors.Length && !Vector.GreaterThanAny(vectors[v], new Vector<float>(bar)))
            {
                continue;
            }

            for (var item = start; item < Math.Min(scores.Length, start + Vector<float>.Count); item++)
            {
                if (scores[item] > bar && catalogue[item].Available)
                {
                    best.Enqueue(item, (scores[item], -item));
                    if (best.Count > k)
                    {
                        best.Dequeue();
                        bar = best.TryPeek(out _, out var last) ? last.Score : bar;
                    }
                }
            }
        }

        var list = new List<RankedItem>(k);
        while (best.TryDequeue(out var item, out var priority))
        {
            list.Add(new RankedItem(item, priority.Score, Source));
        }

        list.Reverse();
        return list;
    }
}

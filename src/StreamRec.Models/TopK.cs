using System.Numerics;
using System.Runtime.InteropServices;

namespace StreamRec.Models;

/// <summary>The k best of many scores without sorting them.</summary>
internal static class TopK
{
    /// <summary>Indices of the k highest scores, best first, equal ones by index; scores of negative infinity are never among them.</summary>
    /// <param name="scores">Scores; NaN counts as negative infinity.</param>
    /// <param name="k">How many at the most.</param>
    public static int[] Select(ReadOnlySpan<float> scores, int k)
    {
        var bestScores = new float[k];
        var best = new int[k];
        var found = 0;
        var threshold = float.NegativeInfinity;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(scores);
        for (var v = 0; v < vectors.Length; v++)
        {
            // Almost every vector holds nothing above the threshold once the first few hundred scores are seen.
            if (!Vector.GreaterThanAny(vectors[v], new Vector<float>(threshold)))
            {
                continue;
            }

            var start = v * Vector<float>.Count;
            Scan(scores, start, start + Vector<float>.Count, bestScores, best, ref found, ref threshold);
        }

        Scan(scores, vectors.Length * Vector<float>.Count, scores.Length, bestScores, best, ref found, ref threshold);
        return best[..found];
    }

    /// <summary>Writes scores + bias; false when a score is not a number.</summary>
    public static bool TryAdd(ReadOnlySpan<float> scores, ReadOnlySpan<float> bias, Span<float> result)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(scores);
        var biases = MemoryMarshal.Cast<float, Vector<float>>(bias);
        var results = MemoryMarshal.Cast<float, Vector<float>>(result);
        var numbers = true;
        for (var v = 0; v < vectors.Length; v++)
        {
            numbers &= Vector.EqualsAll(vectors[v], vectors[v]);
            results[v] = vectors[v] + biases[v];
        }

        for (var i = vectors.Length * Vector<float>.Count; i < scores.Length; i++)
        {
            numbers &= !float.IsNaN(scores[i]);
            result[i] = scores[i] + bias[i];
        }

        return numbers;
    }

    private static void Scan(
        ReadOnlySpan<float> scores, int start, int end, float[] bestScores, int[] best, ref int found, ref float threshold)
    {
        for (var i = start; i < end; i++)
        {
            var score = scores[i];
            if (!(score > threshold))
            {
                continue;
            }

            var place = found < best.Length ? found++ : found - 1;
            while (place > 0 && bestScores[place - 1] < score)
            {
                bestScores[place] = bestScores[place - 1];
                best[place] = best[place - 1];
                place--;
            }

            bestScores[place] = score;
            best[place] = i;
            if (found == best.Length)
            {
                threshold = bestScores[^1];
            }
        }
    }
}

namespace StreamRec.Training.Evaluation;

/// <summary>Hit rate and NDCG of one target a case, at 5, 10 and 20, averaged over all cases: a case without the target in its list counts 0.</summary>
/// <remarks>With one relevant item the ideal gain is 1, so NDCG@k is 1 / log2(rank + 1) for a rank from 1 to k.</remarks>
public sealed class RankingMetrics
{
    /// <summary>The longest list that is looked at.</summary>
    public const int Depth = 20;

    private static readonly int[] Cuts = [5, 10, 20];

    private readonly double[] _hits = new double[3];
    private readonly double[] _gains = new double[3];

    /// <summary>Cases counted.</summary>
    public int Cases { get; private set; }

    /// <summary>Counts one case.</summary>
    /// <param name="rank">The target's rank from 1, or 0 when the list does not hold it.</param>
    public void Add(int rank)
    {
        Cases++;
        for (var i = 0; i < Cuts.Length; i++)
        {
            if (rank >= 1 && rank <= Cuts[i])
            {
                _hits[i]++;
                _gains[i] += 1 / Math.Log2(rank + 1);
            }
        }
    }

    /// <summary>Share of cases whose target is among the first k (5, 10 or 20); 0 without cases.</summary>
    public double HitRate(int k) => Cases == 0 ? 0 : _hits[Index(k)] / Cases;

    /// <summary>Mean NDCG of the first k (5, 10 or 20); 0 without cases.</summary>
    public double Ndcg(int k) => Cases == 0 ? 0 : _gains[Index(k)] / Cases;

    /// <summary>All figures by name: <c>hr@5</c>, <c>ndcg@5</c>, …</summary>
    public IEnumerable<KeyValuePair<string, double>> Named(string prefix = "")
    {
        foreach (var k in Cuts)
        {
            yield return new($"{prefix}hr@{k}", HitRate(k));
            yield return new($"{prefix}ndcg@{k}", Ndcg(k));
        }
    }

    private static int Index(int k)
    {
        var index = Array.IndexOf(Cuts, k);
        return index >= 0 ? index : throw new ArgumentOutOfRangeException(nameof(k), k, "k must be 5, 10 or 20.");
    }
}

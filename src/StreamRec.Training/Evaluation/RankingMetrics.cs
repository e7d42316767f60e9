namespace StreamRec.Training.Evaluation;

/// <summary>What a target's rank is worth.</summary>
public enum RankingGain
{
    /// <summary>1 when it is in the list: HR.</summary>
    Hit,

    /// <summary>1 / log2(rank + 1): NDCG, because with one relevant item the ideal gain is 1.</summary>
    Ndcg,

    /// <summary>1 / rank: MRR.</summary>
    ReciprocalRank,
}

/// <summary>A figure of ranking quality: the mean worth of the targets' ranks in the first k places.</summary>
/// <param name="Gain">What a rank is worth.</param>
/// <param name="K">Places that count, 1 to <see cref="RankingMetrics.Depth"/>.</param>
public readonly record struct RankingFigure(RankingGain Gain, int K)
{
    /// <summary>NDCG@10, by which models are chosen.</summary>
    public static RankingFigure Ndcg10 { get; } = new(RankingGain.Ndcg, 10);

    /// <summary>HR@10.</summary>
    public static RankingFigure Hit10 { get; } = new(RankingGain.Hit, 10);

    /// <summary>HR, NDCG and MRR at 5, 10 and 20.</summary>
    public static IReadOnlyList<RankingFigure> All { get; } =
        [.. new[] { 5, 10, 20 }.SelectMany(k => Enum.GetValues<RankingGain>().Select(gain => new RankingFigure(gain, k)))];

    /// <summary>As manifests have it: <c>hr@5</c>, <c>ndcg@10</c>, <c>mrr@20</c>.</summary>
    public string Name => $"{(Gain switch { RankingGain.Hit => "hr", RankingGain.Ndcg => "ndcg", _ => "mrr" })}@{K}";

    /// <summary>The figure of this name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static RankingFigure Parse(string name) => All.FirstOrDefault(figure => figure.Name == name) is { K: > 0 } figure
        ? figure
        : throw new ArgumentException($"'{name}' is not a metric; it must be one of {string.Join(", ", All.Select(f => f.Name))}.");

    /// <summary>Worth of one rank; 0 = not found.</summary>
    public double Of(int rank) => rank < 1 || rank > K
        ? 0
        : Gain switch
        {
            RankingGain.Hit => 1,
            RankingGain.Ndcg => 1 / Math.Log2(rank + 1),
            _ => 1.0 / rank,
        };
}

/// <summary>Ranks of one target a case, and the figures that they come to: a case without the target in its list counts 0.</summary>
public sealed class RankingMetrics
{
    /// <summary>The longest list that is looked at.</summary>
    public const int Depth = 20;

    private readonly List<byte> _ranks = [];
    private readonly int[] _counts = new int[Depth + 1];

    /// <summary>Figures of ranks that were kept.</summary>
    public static RankingMetrics Of(IEnumerable<byte> ranks)
    {
        var metrics = new RankingMetrics();
        foreach (var rank in ranks)
        {
            metrics.Add(rank);
        }

        return metrics;
    }

    /// <summary>Places that the lists had, 1 to <see cref="Depth"/>: figures beyond are not told.</summary>
    public int Places { get; init; } = Depth;

    /// <summary>Cases counted.</summary>
    public int Cases => _ranks.Count;

    /// <summary>Each case's rank from 1, in the order of the cases; 0 = not among the first <see cref="Depth"/>.</summary>
    public IReadOnlyList<byte> Ranks => _ranks;

    /// <summary>Counts one case.</summary>
    /// <param name="rank">The target's rank from 1, or 0 when the list does not hold it.</param>
    public void Add(int rank)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        var kept = rank > Depth ? 0 : rank;
        _ranks.Add((byte)kept);
        _counts[kept]++;
    }

    /// <summary>The figure's mean over all cases; 0 without cases.</summary>
    public double Value(RankingFigure figure) => Mean(figure, _counts, Cases);

    /// <summary>Share of cases whose target is among the first k.</summary>
    public double HitRate(int k) => Value(new(RankingGain.Hit, k));

    /// <summary>Mean NDCG of the first k.</summary>
    public double Ndcg(int k) => Value(new(RankingGain.Ndcg, k));

    /// <summary>Mean reciprocal rank within the first k.</summary>
    public double Mrr(int k) => Value(new(RankingGain.ReciprocalRank, k));

    /// <summary>All figures within <see cref="Places"/> by name: <c>hr@5</c>, <c>ndcg@5</c>, <c>mrr@5</c>, …</summary>
    public IEnumerable<KeyValuePair<string, double>> Named(string prefix = "")
    {
        foreach (var figure in RankingFigure.All.Where(figure => figure.K <= Places))
        {
            yield return new(prefix + figure.Name, Value(figure));
        }
    }

    /// <param name="figure">The figure.</param>
    /// <param name="counts">How many cases have each rank, [Depth + 1].</param>
    /// <param name="cases">Their sum.</param>
    internal static double Mean(RankingFigure figure, ReadOnlySpan<int> counts, int cases)
    {
        var sum = 0.0;
        for (var rank = 1; rank <= figure.K; rank++)
        {
            sum += counts[rank] * figure.Of(rank);
        }

        return cases == 0 ? 0 : sum / cases;
    }
}

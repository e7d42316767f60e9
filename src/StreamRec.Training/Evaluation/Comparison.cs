namespace StreamRec.Training.Evaluation;

/// <summary>What one figure says of two models on the same cases.</summary>
/// <param name="Figure">The figure.</param>
/// <param name="A">Its value for the first model.</param>
/// <param name="B">For the second.</param>
/// <param name="Interval">95 % of the paired bootstrap of A - B.</param>
/// <param name="P">Two-sided p-value of the paired randomisation test.</param>
/// <param name="AdjustedP">The same, corrected for looking at several figures (Holm).</param>
public sealed record FigureComparison(RankingFigure Figure, double A, double B, Interval Interval, double P, double AdjustedP)
{
    /// <summary>From this adjusted p-value on no difference can be shown.</summary>
    public const double Level = 0.05;

    /// <summary>A - B.</summary>
    public double Difference => A - B;

    /// <summary>Whether a difference can be shown.</summary>
    public bool Significant => AdjustedP < Level;
}

/// <summary>Two models on the same cases.</summary>
/// <param name="Figures">By figure.</param>
/// <param name="Wins">Cases that the first model ranks higher within the depth that is looked at.</param>
/// <param name="Losses">Cases that the second model ranks higher.</param>
/// <param name="Ties">Cases with the same rank, most of them not found by either.</param>
public sealed record Comparison(IReadOnlyList<FigureComparison> Figures, int Wins, int Losses, int Ties)
{
    private const int Permutations = 9_999;
    private const int Codes = RankingMetrics.Depth + 1;

    /// <summary>Compares case by case: far sharper than two separate intervals, because what is hard for one model is hard for the other.</summary>
    /// <remarks>
    /// Randomisation test: Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for IR Evaluation, CIKM 2007.
    /// The same ranks and seed give the same answer.
    /// </remarks>
    /// <param name="a">Ranks of the first model, 0 = not found.</param>
    /// <param name="b">Ranks of the second model on the same cases in the same order.</param>
    /// <param name="figures">Figures to compare.</param>
    /// <param name="seed">Chooses resamples and permutations.</param>
    /// <exception cref="ArgumentException">The models were not ranked on the same number of cases.</exception>
    public static Comparison Of(IReadOnlyList<byte> a, IReadOnlyList<byte> b, IReadOnlyList<RankingFigure> figures, int seed = 1)
    {
        if (a.Count != b.Count || a.Count == 0)
        {
            throw new ArgumentException($"The first model was ranked on {a.Count} cases and the second on {b.Count}; only the same cases can be compared.");
        }

        var pairs = a.Zip(b, (x, y) => (x * Codes) + y).ToArray();
        var intervals = Intervals(pairs, figures, seed);
        var p = figures.Select(figure => P(a, b, figure, seed)).ToArray();
        var adjusted = Holm(p);
        var (first, second) = (RankingMetrics.Of(a), RankingMetrics.Of(b));
        var places = figures.Max(figure => figure.K);
        var wins = a.Zip(b).Count(pair => Better(pair.First, pair.Second));
        var losses = a.Zip(b).Count(pair => Better(pair.Second, pair.First));
        return new Comparison(
            [.. figures.Select((figure, i) => new FigureComparison(figure, first.Value(figure), second.Value(figure), intervals[i], p[i], adjusted[i]))],
            wins, losses, a.Count - wins - losses);

        // Places that no figure looks at decide nothing: lists of two recall steps have fewer.
        bool Better(int rank, int other) => rank != 0 && rank <= places && (other == 0 || rank < other);
    }

    /// <summary>Holm's step-down correction: the chance of any false alarm among all tests stays at the level.</summary>
    internal static double[] Holm(IReadOnlyList<double> p)
    {
        var adjusted = new double[p.Count];
        var highest = 0.0;
        foreach (var (step, i) in Enumerable.Range(0, p.Count).OrderBy(i => p[i]).Index())
        {
            highest = Math.Max(highest, Math.Min(1, p[i] * (p.Count - step)));
            adjusted[i] = highest;
        }

        return adjusted;
    }

    private static Interval[] Intervals(int[] pairs, IReadOnlyList<RankingFigure> figures, int seed)
    {
        var values = figures.Select(_ => new double[Bootstrap.Resamples]).ToArray();
        var worth = figures
            .Select(figure => Enumerable.Range(0, Codes * Codes).Select(code => figure.Of(code / Codes) - figure.Of(code % Codes)).ToArray())
            .ToArray();
        var random = new SplitMix(seed);
        var counts = new int[Codes * Codes];
        for (var resample = 0; resample < Bootstrap.Resamples; resample++)
        {
            Array.Clear(counts);
            for (var i = 0; i < pairs.Length; i++)
            {
                counts[pairs[random.Below(pairs.Length)]]++;
            }

            for (var f = 0; f < figures.Count; f++)
            {
                var sum = 0.0;
                for (var code = 0; code < counts.Length; code++)
                {
                    sum += counts[code] * worth[f][code];
                }

                values[f][resample] = sum / pairs.Length;
            }
        }

        return [.. values.Select(Bootstrap.Percentiles)];
    }

    // Were both models the same, each case's difference would have either sign with the same chance.
    private static double P(IReadOnlyList<byte> a, IReadOnlyList<byte> b, RankingFigure figure, int seed)
    {
        var differences = a.Zip(b, (x, y) => figure.Of(x) - figure.Of(y)).Where(difference => difference != 0).ToArray();
        var observed = Math.Abs(differences.Sum());
        var random = new SplitMix(seed);
        var asFar = 0;
        for (var permutation = 0; permutation < Permutations; permutation++)
        {
            var sum = 0.0;
            var signs = 0UL;
            for (var i = 0; i < differences.Length; i++)
            {
                signs = i % 64 == 0 ? random.Next() : signs >> 1;
                sum += (signs & 1) == 0 ? differences[i] : -differences[i];
            }

            asFar += Math.Abs(sum) >= observed - 1e-9 ? 1 : 0;
        }

        return (asFar + 1.0) / (Permutations + 1);
    }
}

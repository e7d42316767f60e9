namespace StreamRec.Training.Evaluation;

/// <summary>A 95 % confidence interval.</summary>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>Percentile bootstrap over users: how far a figure would move with other users of the same kind. It says nothing of other seeds.</summary>
/// <remarks>Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. The same ranks and seed give the same intervals.</remarks>
public static class Bootstrap
{
    internal const int Resamples = 1000;

    /// <summary>The interval of each figure.</summary>
    /// <param name="ranks">Each case's rank, 0 = not found.</param>
    /// <param name="figures">Figures; all are computed on the same resamples.</param>
    /// <param name="seed">Chooses the resamples.</param>
    public static Interval[] Intervals(IReadOnlyList<byte> ranks, IReadOnlyList<RankingFigure> figures, int seed = 1)
    {
        byte[] cases = [.. ranks];
        var values = figures.Select(_ => new double[Resamples]).ToArray();
        var random = new SplitMix(seed);
        var counts = new int[RankingMetrics.Depth + 1];
        for (var resample = 0; resample < Resamples && cases.Length > 0; resample++)
        {
            // A figure depends on how many cases have each rank only, so a resample is a histogram.
            Array.Clear(counts);
            for (var i = 0; i < cases.Length; i++)
            {
                counts[cases[random.Below(cases.Length)]]++;
            }

            for (var f = 0; f < figures.Count; f++)
            {
                values[f][resample] = RankingMetrics.Mean(figures[f], counts, cases.Length);
            }
        }

        return [.. values.Select(Percentiles)];
    }

    /// <summary>The middle 95 %; sorts its argument.</summary>
    internal static Interval Percentiles(double[] values)
    {
        Array.Sort(values);
        return new Interval(At(0.025), At(0.975));

        double At(double share)
        {
            var place = share * (values.Length - 1);
            var below = (int)place;
            return values[below] + ((place - below) * (values[Math.Min(below + 1, values.Length - 1)] - values[below]));
        }
    }
}

/// <summary>A generator whose numbers are the same on every platform and cheap: millions of draws for an interval.</summary>
/// <remarks>Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.</remarks>
internal struct SplitMix(int seed)
{
    private ulong _state = (ulong)seed;

    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to n - 1; the bias of at most n / 2^32 is far below what is measured.</summary>
    public int Below(int n) => (int)(((Next() >> 32) * (ulong)n) >> 32);
}

using StreamRec.Training.Evaluation;

namespace StreamRec.Cli.Drawing;

/// <summary>One bar.</summary>
/// <param name="Value">Its length, 0 or more.</param>
/// <param name="Interval">Its uncertainty, or null.</param>
internal readonly record struct Bar(double Value, Interval? Interval = null);

/// <summary>One model's bars, one for each group.</summary>
internal sealed record BarSeries(string Name, IReadOnlyList<Bar> Bars);

/// <summary>Bars side by side in groups, each on an axis that begins at 0.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Axis">Name and unit of the values.</param>
/// <param name="Groups">Names of the groups.</param>
/// <param name="Series">What is compared within each group.</param>
internal sealed record BarChart(string Title, string Axis, IReadOnlyList<string> Groups, IReadOnlyList<BarSeries> Series);

/// <summary>One curve.</summary>
internal sealed record Curve(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Curves over one axis, for example of time.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="XAxis">Name and unit.</param>
/// <param name="YAxis">Name and unit.</param>
/// <param name="Curves">Points in the order of x.</param>
internal sealed record LineChart(string Title, string XAxis, string YAxis, IReadOnlyList<Curve> Curves);

/// <summary>An axis whose ticks are round numbers: 1, 2 or 5 times a power of ten apart.</summary>
internal sealed class Axis
{
    private static readonly int[] Steps = [1, 2, 5, 10];

    private readonly int _decimals;

    /// <param name="low">Smallest value to show.</param>
    /// <param name="high">Largest value to show.</param>
    /// <param name="ticks">About how many ticks.</param>
    public Axis(double low, double high, int ticks = 5)
    {
        if (!(high > low))
        {
            high = low + (low == 0 ? 1 : Math.Abs(low));
        }

        var rough = (high - low) / ticks;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = Steps.First(factor => factor * power >= rough * 0.999) * power;
        // Whole steps are counted, so that no rounding adds up.
        var (first, last) = ((long)Math.Floor((low / step) + 1e-9), (long)Math.Ceiling((high / step) - 1e-9));
        (Low, High) = (first * step, last * step);
        Ticks = [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)];
        _decimals = Math.Max(0, -(int)Math.Floor(Math.Log10(step) + 1e-9));
    }

    public double Low { get; }

    public double High { get; }

    public IReadOnlyList<double> Ticks { get; }

    /// <summary>A tick as text, with as many decimals as tell ticks apart.</summary>
    public string Label(double tick) => tick.ToString($"N{_decimals}", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Where a value lies: 0 at the low end, 1 at the high end.</summary>
    public double Share(double value) => (value - Low) / (High - Low);
}

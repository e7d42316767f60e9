using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace StreamRec.Cli;

/// <summary>Progress where there is no terminal: a line every few seconds.</summary>
internal sealed class ProgressLines(string title, double total, string unit)
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private readonly long _started = Stopwatch.GetTimestamp();
    private long _last = Stopwatch.GetTimestamp();

    public void Report(double done)
    {
        if (Stopwatch.GetElapsedTime(_last) < Every)
        {
            return;
        }

        _last = Stopwatch.GetTimestamp();
        var elapsed = Stopwatch.GetElapsedTime(_started);
        var rate = done / elapsed.TotalSeconds;
        var left = rate > 0 ? TimeSpan.FromSeconds((total - done) / rate) : TimeSpan.Zero;
        Console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{title}: {done / Math.Max(1, total):P0}, {RateColumn.Text(rate, unit)}, {left:hh\\:mm\\:ss} left"));
    }
}

/// <summary>Units per second.</summary>
internal sealed class RateColumn(string unit) : ProgressColumn
{
    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
        new Spectre.Console.Text(Text(task.Speed ?? 0, unit));

    /// <summary>Slow things are told by the minute.</summary>
    public static string Text(double perSecond, string unit) => perSecond >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{perSecond:N0} {unit}/s")
        : string.Create(CultureInfo.InvariantCulture, $"{perSecond * 60:F1} {unit}/min");
}

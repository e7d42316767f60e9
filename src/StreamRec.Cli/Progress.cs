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
            CultureInfo.InvariantCulture, $"{title}: {done / Math.Max(1, total):P0}, {rate:N0} {unit}/s, {left:hh\\:mm\\:ss} left"));
    }
}

/// <summary>Units per second.</summary>
internal sealed class RateColumn(string unit) : ProgressColumn
{
    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
        new Text(string.Create(CultureInfo.InvariantCulture, $"{task.Speed ?? 0:N0} {unit}/s"));
}

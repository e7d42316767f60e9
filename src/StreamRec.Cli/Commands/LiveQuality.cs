using StreamRec.Cli.Drawing;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary>The prequential figures of a running server, written down while something is sent to it.</summary>
internal sealed class LiveQuality
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly List<FiguresView> _readings = [];

    /// <summary>The last reading; null before the first.</summary>
    public FiguresView? Last => _readings.Count == 0 ? null : _readings[^1];

    /// <summary>Reads once a second while <paramref name="sending"/> goes on, then until the server has applied everything.</summary>
    public async Task WatchAsync(ServerClient server, Task sending, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Period);
        do
        {
            _readings.Add(await server.GetAsync<FiguresView>("figures", cancellationToken));
        }
        while (await timer.WaitForNextTickAsync(cancellationToken) && !(sending.IsCompleted && Last is { Lag: 0 or null, Waiting: 0 }));

        _readings.Add(await server.GetAsync<FiguresView>("figures", cancellationToken));
    }

    /// <summary>HR@10 of what was served, of transitions and of popularity over the interactions applied.</summary>
    public LineChart Chart(string title)
    {
        var judged = _readings.Where(reading => reading.Judged > 0).DistinctBy(reading => reading.Interactions).ToList();
        return new LineChart(
            title, "interactions", $"HR@10 of the last {judged.LastOrDefault()?.Judged ?? 0:N0} judged",
            [
                Of("served", reading => reading.HitRate),
                Of("transitions", reading => reading.TransitionsHitRate),
                Of("popularity", reading => reading.PopularityHitRate),
            ]);

        Curve Of(string name, Func<FiguresView, double> value) =>
            new(name, [.. judged.Select(reading => ((double)reading.Interactions, value(reading)))]);
    }
}

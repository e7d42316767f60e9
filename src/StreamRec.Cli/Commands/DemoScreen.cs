using System.Diagnostics;
using System.Globalization;
using StreamRec.Server.Http;
using StreamRec.Training;

namespace StreamRec.Cli.Commands;

/// <summary>What the demo shows: on a terminal figures that are redrawn in place under a running story, elsewhere a line every few seconds.</summary>
internal sealed class DemoScreen(TextWriter output, TimeSpan duration)
{
    private const int ChartWidth = 60;
    private const int ChartHeight = 8;

    /// <summary>Fewer judged interactions than this make a rate that jumps about.</summary>
    private const int EnoughJudged = 500;

    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(4);

    private readonly Lock _gate = new();
    private readonly bool _live = Output.IsTerminal;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly List<(double Model, double Transitions, double Popularity)> _quality = [];
    private FiguresView? _last;
    private long _lastAt;
    private long _lastLine;
    private int _drawn;

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_started);

    /// <summary>Adds a line to the story.</summary>
    public void Say(string text)
    {
        lock (_gate)
        {
            Erase();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Elapsed.TotalSeconds,6:F1} s  {text}"));
        }
    }

    /// <summary>Shows the figures of the moment.</summary>
    public void Show(FiguresView figures, TrainerState training)
    {
        lock (_gate)
        {
            var seconds = _last is null ? Elapsed.TotalSeconds : Stopwatch.GetElapsedTime(_lastAt).TotalSeconds;
            if (_last is not null && !_live && Stopwatch.GetElapsedTime(_lastLine) < LineEvery)
            {
                return;
            }

            var interactions = (figures.Interactions - (_last?.Interactions ?? 0)) / Math.Max(seconds, 1e-3);
            var lists = (figures.Lists - (_last?.Lists ?? 0)) / Math.Max(seconds, 1e-3);
            (_last, _lastAt, _lastLine) = (figures, Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp());
            if (figures.Judged >= EnoughJudged)
            {
                _quality.Add((figures.HitRate, figures.TransitionsHitRate, figures.PopularityHitRate));
            }

            var lines = _live ? Panel(figures, training, interactions, lists) : [Line(figures, interactions, lists)];
            Erase();
            foreach (var line in lines)
            {
                output.WriteLine(line);
            }

            _drawn = _live ? lines.Count : 0;
        }
    }

    /// <summary>The end of the story.</summary>
    public void Summarise(FiguresView figures, IReadOnlyList<ModelView> models, int runs)
    {
        lock (_gate)
        {
            Erase();
            output.WriteLine();
            output.WriteLine("Prequential HR@10: the first interaction after each list, looked for in it before anything learns from it.");
            foreach (var line in Chart())
            {
                output.WriteLine(line);
            }

            output.WriteLine();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{figures.Interactions:N0} interactions of per-user actors, all in the journal; {figures.Lists:N0} lists published ({figures.FallbackLists:N0} before there was a model)."));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Interaction to list: p50 {figures.P50Ms:F1} ms, p99 {figures.P99Ms:F1} ms over the last lists."));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{runs} training runs, {figures.Swaps} swaps, {models.Count} checkpoints; serving: {figures.Model ?? "none"}."));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"HR@10 of the last {figures.Judged:N0} judged interactions: served {figures.HitRate:P1}, transitions {figures.TransitionsHitRate:P1}, popularity {figures.PopularityHitRate:P1}."));
        }
    }

    private List<string> Panel(FiguresView figures, TrainerState training, double interactions, double lists)
    {
        var trainer = training.Progress is { } p
            ? string.Create(CultureInfo.InvariantCulture, $"training, epoch {p.Epoch}, {p.Share:P0}, loss {p.Loss:F3}")
            : training.Failure is { } failure ? $"the last run failed: {failure}"
            : training.Last is { } last ? $"last run {(last.Activated ? "accepted" : "rejected")}: {last.Reason}" : "waiting for interactions";
        List<string> lines =
        [
            "",
            string.Create(CultureInfo.InvariantCulture, $"  {interactions,7:N0} interactions/s   {lists,7:N0} lists/s   p50 {figures.P50Ms,6:F1} ms   p99 {figures.P99Ms,6:F1} ms   {(duration - Elapsed).TotalSeconds:F0} s left"),
            string.Create(CultureInfo.InvariantCulture, $"  {figures.Interactions,7:N0} interactions     {figures.Lists,7:N0} lists     serving {figures.Model ?? "transitions (no model yet)"}, {figures.Swaps} swaps, {figures.ResidentUsers:N0} users in memory"),
            $"  trainer: {trainer}",
            string.Create(CultureInfo.InvariantCulture, $"  HR@10: served {figures.HitRate,6:P1}   transitions {figures.TransitionsHitRate,6:P1}   popularity {figures.PopularityHitRate,6:P1}   (last {figures.Judged:N0} interactions whose user had a list)"),
        ];
        lines.AddRange(Chart());
        return lines;
    }

    private static string Line(FiguresView f, double interactions, double lists) => string.Create(
        CultureInfo.InvariantCulture,
        $"          {interactions,6:N0} interactions/s {lists,6:N0} lists/s  p50 {f.P50Ms,5:F1} ms  p99 {f.P99Ms,6:F1} ms  serving {f.Model ?? "no model"}  HR@10 {f.HitRate,6:P1}, transitions {f.TransitionsHitRate,6:P1}, popularity {f.PopularityHitRate,6:P1}");

    /// <summary>The hit rates over time, newest on the right.</summary>
    private List<string> Chart()
    {
        if (_quality.Count < 2)
        {
            return [];
        }

        var top = Math.Max(0.05, _quality.Max(q => Math.Max(q.Model, Math.Max(q.Transitions, q.Popularity))));
        var width = Math.Min(ChartWidth, _quality.Count);
        var rows = new List<string>();
        for (var row = ChartHeight - 1; row >= 0; row--)
        {
            var cells = new char[width];
            for (var x = 0; x < width; x++)
            {
                var (model, transitions, popularity) = _quality[(int)((long)x * (_quality.Count - 1) / Math.Max(1, width - 1))];
                var (m, t, p) = (Level(model, top), Level(transitions, top), Level(popularity, top));
                cells[x] = m == row ? '●' : t == row ? '+' : p == row ? '○' : ' ';
            }

            var label = row is ChartHeight - 1 or 0 ? (top * row / (ChartHeight - 1)).ToString("P0", CultureInfo.InvariantCulture) : "";
            rows.Add($"  {label,6} │{new string(cells)}");
        }

        rows.Add($"  {"",6} └{new string('─', width)}  ● served  + transitions  ○ popularity");
        return rows;
    }

    private static int Level(double value, double top) => (int)Math.Round(value / top * (ChartHeight - 1));

    // Moves up over what was drawn last and clears it.
    private void Erase()
    {
        if (_drawn > 0)
        {
            output.Write($"\u001b[{_drawn}A\u001b[0J");
            _drawn = 0;
        }
    }
}

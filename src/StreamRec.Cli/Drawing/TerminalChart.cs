using System.Globalization;
using System.Text;

namespace StreamRec.Cli.Drawing;

/// <summary>Charts as lines of text, with Spectre markup for colours where there are any.</summary>
/// <param name="width">Columns to fill.</param>
/// <param name="colours">Whether to colour.</param>
internal sealed class TerminalChart(int width, bool colours)
{
    private const int PlotRows = 12;
    private const string Marks = "ox+*#@";
    private const string Eighths = " ▏▎▍▌▋▊▉";

    private static readonly string[] Names = ["blue", "yellow", "green", "magenta", "cyan", "red"];

    /// <summary>Charts on standard output, as wide as it is, in colour where there are colours.</summary>
    public static void Write(IEnumerable<BarChart> bars, params IEnumerable<LineChart> curves)
    {
        var terminal = new TerminalChart(Output.IsTerminal ? Math.Max(60, Console.WindowWidth - 1) : 100, Output.Colours);
        Output.WriteMarkup(bars.SelectMany(terminal.Lines).Concat(curves.SelectMany(terminal.Lines)));
    }

    /// <summary>A bar a line, with its value and its interval.</summary>
    public IEnumerable<string> Lines(BarChart chart)
    {
        var names = chart.Series.Select(series => series.Name).ToList();
        var label = chart.Groups.Concat(names.Select(name => "  " + name)).Select(text => text.Length).DefaultIfEmpty(0).Max();
        var highest = chart.Series.SelectMany(series => series.Bars).Select(bar => bar.Value).DefaultIfEmpty(0).Max();
        var room = Math.Max(8, width - label - 28);
        yield return Output.Safe($"{chart.Title} ({chart.Axis})");
        for (var g = 0; g < chart.Groups.Count; g++)
        {
            yield return Output.Safe(chart.Groups[g]);
            for (var s = 0; s < names.Count; s++)
            {
                var bar = chart.Series[s].Bars[g];
                var interval = bar.Interval is { } i ? string.Create(CultureInfo.InvariantCulture, $" [{i.Low:F4}, {i.High:F4}]") : "";
                yield return Output.Safe($"  {names[s]}".PadRight(label)) + " " + Coloured(s, Block(highest == 0 ? 0 : bar.Value / highest, room)) +
                    Output.Safe(string.Create(CultureInfo.InvariantCulture, $" {bar.Value:F4}{interval}"));
            }
        }
    }

    /// <summary>Curves as marks on a grid; where two meet the later one is seen.</summary>
    public IEnumerable<string> Lines(LineChart chart)
    {
        yield return Output.Safe($"{chart.Title} ({chart.YAxis})");
        var points = chart.Curves.SelectMany(curve => curve.Points).ToList();
        if (points.Count == 0)
        {
            yield break;
        }

        var x = new Axis(points.Min(p => p.X), points.Max(p => p.X));
        var y = new Axis(Math.Min(0, points.Min(p => p.Y)), points.Max(p => p.Y));
        var label = y.Ticks.Max(tick => y.Label(tick).Length);
        var columns = Math.Max(16, width - label - 3);
        var cells = new int?[PlotRows + 1, columns];
        foreach (var (c, curve) in chart.Curves.Index())
        {
            foreach (var point in curve.Points)
            {
                cells[PlotRows - (int)Math.Round(y.Share(point.Y) * PlotRows), (int)Math.Round(x.Share(point.X) * (columns - 1))] = c;
            }
        }

        for (var row = 0; row <= PlotRows; row++)
        {
            // A tick is written beside the row nearest to it.
            var named = y.Ticks.Where(tick => PlotRows - (int)Math.Round(y.Share(tick) * PlotRows) == row).Select(y.Label).FirstOrDefault("");
            var line = new StringBuilder(named.PadLeft(label)).Append(" |");
            for (var column = 0; column < columns; column++)
            {
                line.Append(cells[row, column] is { } c ? Coloured(c, Marks[c % Marks.Length].ToString()) : " ");
            }

            yield return line.ToString().TrimEnd();
        }

        yield return new string(' ', label + 1) + "+" + new string('-', columns);
        var (first, last) = (x.Label(x.Low), x.Label(x.High));
        var middle = columns - first.Length - last.Length;
        yield return new string(' ', label + 2) + first + Output.Safe(Centred(chart.XAxis, middle)) + last;
        yield return new string(' ', label + 2) + string.Join("   ", chart.Curves.Select((curve, c) => Coloured(c, $"{Marks[c % Marks.Length]} ") + Output.Safe(curve.Name)));
    }

    private static string Centred(string text, int room) =>
        text.Length >= room ? " ".PadRight(Math.Max(1, room)) : text.PadLeft((room + text.Length) / 2).PadRight(room);

    private static string Block(double share, int room)
    {
        var eighths = (int)Math.Round(Math.Clamp(share, 0, 1) * room * 8);
        return (new string('█', eighths / 8) + (eighths % 8 == 0 ? "" : Eighths[eighths % 8].ToString())).PadRight(room);
    }

    private string Coloured(int series, string text) => colours ? $"[{Names[series % Names.Length]}]{text}[/]" : text;
}

using System.Globalization;
using System.Security;
using System.Text;

namespace StreamRec.Cli.Drawing;

/// <summary>Charts as one SVG file, one below the other: text and plain shapes, no script, no style sheet, nothing fetched.</summary>
internal sealed class SvgChart
{
    private const int Width = 700;
    private const int Height = 380;
    private const int Left = 72;
    private const int Right = 36;
    private const int Bottom = 56;

    /// <summary>Okabe and Ito's colours, told apart by people who see fewer: https://jfly.uni-koeln.de/color/.</summary>
    private static readonly string[] Colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

    private readonly StringBuilder _svg = new();
    private int _charts;
    private int _top;

    private SvgChart()
    {
    }

    /// <summary>The file's text.</summary>
    public static string Render(IReadOnlyList<BarChart> bars, IReadOnlyList<LineChart> lines)
    {
        var svg = new SvgChart();
        foreach (var chart in bars)
        {
            svg.Draw(chart);
        }

        foreach (var chart in lines)
        {
            svg.Draw(chart);
        }

        var height = svg._charts * Height;
        return $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{height}" viewBox="0 0 {Width} {height}" font-family="Helvetica, Arial, sans-serif" font-size="12">
            <rect width="{Width}" height="{height}" fill="#ffffff"/>
            {svg._svg}</svg>

            """;
    }

    private int PlotHeight => Height - _top - Bottom;

    private void Draw(BarChart chart)
    {
        Begin(chart.Title, [.. chart.Series.Select(series => series.Name)]);
        var highest = chart.Series.SelectMany(series => series.Bars).Select(bar => bar.Interval?.High ?? bar.Value).DefaultIfEmpty(0).Max();
        var axis = new Axis(0, highest);
        YAxis(axis, chart.Axis);
        var group = (double)(Width - Left - Right) / Math.Max(1, chart.Groups.Count);
        var bar = Math.Min(46, group * 0.8 / Math.Max(1, chart.Series.Count));
        for (var g = 0; g < chart.Groups.Count; g++)
        {
            var middle = Left + ((g + 0.5) * group);
            foreach (var (i, line) in Wrap(chart.Groups[g], (int)(group / 6.5)).Index())
            {
                Text(middle, Height - Bottom + 18 + (14 * i), line, "middle");
            }

            for (var s = 0; s < chart.Series.Count; s++)
            {
                var value = chart.Series[s].Bars[g];
                var x = middle + ((s - (chart.Series.Count / 2.0)) * bar);
                var y = Y(axis, value.Value);
                Add($"<rect x=\"{N(x + 1)}\" y=\"{N(y)}\" width=\"{N(bar - 2)}\" height=\"{N(Height - Bottom - y)}\" fill=\"{Colour(s)}\"/>");
                if (value.Interval is { } interval)
                {
                    ErrorBar(x + (bar / 2), Y(axis, interval.High), Y(axis, interval.Low));
                }
            }
        }

        End();
    }

    private void Draw(LineChart chart)
    {
        Begin(chart.Title, [.. chart.Curves.Select(curve => curve.Name)]);
        var points = chart.Curves.SelectMany(curve => curve.Points).ToList();
        var (x, y) = points.Count == 0
            ? (new Axis(0, 1), new Axis(0, 1))
            : (new Axis(points.Min(p => p.X), points.Max(p => p.X), 7), new Axis(Math.Min(0, points.Min(p => p.Y)), points.Max(p => p.Y)));
        YAxis(y, chart.YAxis);
        double X(double value) => Left + (x.Share(value) * (Width - Left - Right));
        foreach (var tick in x.Ticks)
        {
            Add($"<path d=\"M{N(X(tick))} {Height - Bottom}v5\" stroke=\"#666666\"/>");
            Text(X(tick), Height - Bottom + 18, x.Label(tick), "middle");
        }

        Text(Left + ((Width - Left - Right) / 2.0), Height - 14, chart.XAxis, "middle");
        foreach (var (c, curve) in chart.Curves.Index())
        {
            var path = string.Join(' ', curve.Points.Select(p => $"{N(X(p.X))},{N(Y(y, p.Y))}"));
            Add($"<polyline points=\"{path}\" fill=\"none\" stroke=\"{Colour(c)}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>");
        }

        End();
    }

    private void Begin(string title, IReadOnlyList<string> legend)
    {
        Add($"<g transform=\"translate(0 {_charts * Height})\">");
        Text(Left, 24, title, "start", " font-size=\"15\" font-weight=\"bold\"");

        // Wide enough for most fonts; a name that does not fit goes to the next line.
        var (x, y) = (Left, 46);
        foreach (var (i, name) in legend.Index())
        {
            var wide = 28 + (7 * name.Length);
            if (x > Left && x + wide > Width - Right)
            {
                (x, y) = (Left, y + 18);
            }

            Add($"<rect x=\"{x}\" y=\"{y - 10}\" width=\"12\" height=\"12\" fill=\"{Colour(i)}\"/>");
            Text(x + 17, y, name, "start");
            x += wide;
        }

        _top = y + 18;
    }

    private void End()
    {
        Add($"<path d=\"M{Left} {Height - Bottom}H{Width - Right}\" stroke=\"#666666\"/>");
        Add("</g>");
        _charts++;
    }

    private void YAxis(Axis axis, string name)
    {
        foreach (var tick in axis.Ticks)
        {
            Add($"<path d=\"M{Left} {N(Y(axis, tick))}H{Width - Right}\" stroke=\"#e2e2e2\"/>");
            Text(Left - 8, Y(axis, tick) + 4, axis.Label(tick), "end");
        }

        var middle = N(_top + (PlotHeight / 2.0));
        Text(18, double.Parse(middle, CultureInfo.InvariantCulture), name, "middle", $" transform=\"rotate(-90 18 {middle})\"");
    }

    private void ErrorBar(double x, double high, double low) => Add(
        $"<path d=\"M{N(x - 4)} {N(high)}h8M{N(x)} {N(high)}V{N(low)}M{N(x - 4)} {N(low)}h8\" stroke=\"#222222\" fill=\"none\"/>");

    private void Text(double x, double y, string text, string anchor, string more = "") =>
        Add($"<text x=\"{N(x)}\" y=\"{N(y)}\" text-anchor=\"{anchor}\" fill=\"#222222\"{more}>{Escape(text)}</text>");

    private double Y(Axis axis, double value) => Height - Bottom - (axis.Share(value) * PlotHeight);

    private void Add(string line) => _svg.Append(line).Append('\n');

    // At spaces, into lines of about so many characters.
    private static List<string> Wrap(string text, int room)
    {
        var lines = new List<string>();
        foreach (var word in text.Split(' '))
        {
            if (lines.Count > 0 && lines[^1].Length + 1 + word.Length <= room)
            {
                lines[^1] += " " + word;
            }
            else
            {
                lines.Add(word);
            }
        }

        return lines;
    }

    private static string Colour(int series) => Colours[series % Colours.Length];

    private static string N(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    // Control characters are not allowed in XML even when escaped.
    private static string Escape(string text) => SecurityElement.Escape(string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)));
}

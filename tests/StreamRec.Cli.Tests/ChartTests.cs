using System.Xml.Linq;
using StreamRec.Cli.Drawing;
using StreamRec.Training.Evaluation;

namespace StreamRec.Cli.Tests;

public sealed class ChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static readonly BarChart Bars = new("HR & <NDCG>", "share of users", ["HR@10", "NDCG@10"],
    [
        new BarSeries("recgpt@3", [new Bar(0.1, new Interval(0.09, 0.12)), new Bar(0.05)]),
        new BarSeries("popularity", [new Bar(0.02), new Bar(0)]),
    ]);

    private static readonly LineChart Lines = new("Live quality", "interactions", "HR@10",
    [
        new Curve("served", [(0, 0), (50_000, 0.1), (100_000, 0.2)]),
        new Curve("popularity", [(0, 0.05), (100_000, 0.05)]),
    ]);

    [Theory]
    [InlineData(0, 0.0612, new[] { 0, 0.02, 0.04, 0.06, 0.08 }, "0.04")]
    [InlineData(0, 1, new[] { 0, 0.2, 0.4, 0.6, 0.8, 1 }, "0.4")]
    [InlineData(0, 100_000, new double[] { 0, 20_000, 40_000, 60_000, 80_000, 100_000 }, "40,000")]
    [InlineData(3, 3, new double[] { 3, 4, 5, 6 }, "5")]
    public void Ticks_are_round_numbers_around_the_values(double low, double high, double[] ticks, string third)
    {
        var axis = new Axis(low, high);

        Assert.Equal(ticks, axis.Ticks.Select(tick => Math.Round(tick, 9)));
        Assert.Equal(third, axis.Label(axis.Ticks[2]));
        Assert.Equal((0.0, 1.0), (axis.Share(axis.Low), axis.Share(axis.High)));
    }

    [Fact]
    public void An_axis_of_nothing_but_zero_is_still_an_axis() => Assert.Equal((0.0, 1.0), (new Axis(0, 0).Low, new Axis(0, 0).High));

    [Fact]
    public void Charts_stand_below_each_other_in_one_well_formed_file_and_texts_are_escaped()
    {
        var document = XDocument.Parse(SvgChart.Render([Bars], [Lines]));

        Assert.Equal("760", document.Root!.Attribute("height")!.Value);
        var texts = document.Descendants(Svg + "text").Select(text => text.Value).ToList();
        Assert.Contains("HR & <NDCG>", texts);
        Assert.Contains("share of users", texts);
        Assert.Contains("100,000", texts);
        Assert.Equal(2, texts.Count(text => text == "popularity"));
        Assert.Equal(2, document.Descendants(Svg + "polyline").Count());
        Assert.Empty(document.Descendants(Svg + "script"));
    }

    [Fact]
    public void Control_characters_cannot_break_the_file() =>
        Assert.Contains("a?b", XDocument.Parse(SvgChart.Render([Bars with { Title = "a\u0001b" }], [])).Root!.Value, StringComparison.Ordinal);

    [Fact]
    public void The_tallest_bar_with_its_interval_stays_within_the_plot()
    {
        var chart = XDocument.Parse(SvgChart.Render([Bars], [])).Descendants(Svg + "g").Single();

        // The legend's squares are the first two.
        var bars = chart.Elements(Svg + "rect").Skip(2).ToList();
        Assert.Equal(4, bars.Count);
        Assert.All(bars, bar => Assert.InRange(double.Parse(bar.Attribute("y")!.Value), 60, 324));
        Assert.Equal("0", bars[3].Attribute("height")!.Value);
    }

    [Fact]
    public void Bars_in_a_terminal_have_names_values_and_intervals()
    {
        var lines = new TerminalChart(60, colours: false).Lines(Bars).ToList();

        Assert.Equal("HR & <NDCG> (share of users)", lines[0]);
        Assert.Equal("HR@10", lines[1]);
        Assert.StartsWith("  recgpt@3   ████", lines[2], StringComparison.Ordinal);
        Assert.EndsWith(" 0.1000 [[0.0900, 0.1200]]", lines[2], StringComparison.Ordinal);
        Assert.Equal(7, lines.Count);
    }

    [Fact]
    public void Curves_in_a_terminal_go_from_corner_to_corner()
    {
        var lines = new TerminalChart(60, colours: false).Lines(Lines).ToList();

        Assert.EndsWith("o", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("0.00 |o", lines[13], StringComparison.Ordinal);
        Assert.Contains("interactions", lines[15], StringComparison.Ordinal);
        Assert.EndsWith("o served   x popularity", lines[16], StringComparison.Ordinal);
    }

    [Fact]
    public void Colours_are_markup_and_only_where_they_are_wanted()
    {
        Assert.Contains("[blue]", string.Join('\n', new TerminalChart(60, colours: true).Lines(Lines)), StringComparison.Ordinal);
        Assert.DoesNotContain("[blue]", string.Join('\n', new TerminalChart(60, colours: false).Lines(Lines)), StringComparison.Ordinal);
    }
}

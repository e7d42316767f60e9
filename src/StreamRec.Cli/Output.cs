using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using StreamRec.Server.Http;

namespace StreamRec.Cli;

/// <summary>How results and progress are shown: tables for people, JSON for machines, bars only on a terminal.</summary>
internal static class Output
{
    /// <summary>Colours only on a terminal, and never with NO_COLOR.</summary>
    public static bool Colours => IsTerminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    public static bool IsTerminal => !Console.IsOutputRedirected && !Console.IsErrorRedirected;

    /// <summary>One JSON document on standard output.</summary>
    public static void WriteJson<T>(T value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, ViewJson.Options));

    /// <summary>A table; cells are plain text.</summary>
    public static void WriteTable(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        var table = new Table().Border(IsTerminal ? TableBorder.Rounded : TableBorder.Ascii2);
        foreach (var (i, column) in columns.Index())
        {
            // The first column names the row; figures read best to the right.
            table.AddColumn(i == 0 ? new TableColumn(Safe(column)) : new TableColumn(Safe(column)).RightAligned());
        }

        foreach (var row in rows)
        {
            table.AddRow([.. row.Select(Safe)]);
        }

        AnsiConsole.Console.Profile.Width = Math.Max(AnsiConsole.Console.Profile.Width, IsTerminal ? 0 : 160);
        AnsiConsole.Write(table);
    }

    /// <summary>Lines with markup.</summary>
    public static void WriteMarkup(IEnumerable<string> lines)
    {
        AnsiConsole.Console.Profile.Width = Math.Max(AnsiConsole.Console.Profile.Width, IsTerminal ? 0 : 160);
        foreach (var line in lines)
        {
            AnsiConsole.MarkupLine(line);
        }
    }

    /// <summary>Runs something long under a progress bar with rate and remaining time, on standard error; lines instead where it is no terminal.</summary>
    /// <param name="title">What is going on.</param>
    /// <param name="total">Units in all.</param>
    /// <param name="unit">What is counted, for the rate.</param>
    /// <param name="work">Reports how many units are done.</param>
    public static async Task<T> WithProgressAsync<T>(string title, double total, string unit, Func<Action<double>, Task<T>> work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (!IsTerminal)
        {
            var lines = new ProgressLines(title, total, unit);
            return await work(lines.Report);
        }

        return await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new RateColumn(unit))
            .StartAsync(async context =>
            {
                var task = context.AddTask(Safe(title), maxValue: Math.Max(1, total));
                var value = await work(done => task.Value = done);
                task.Value = task.MaxValue;
                return value;
            });
    }

    /// <summary>Text from outside, made harmless for tables and markup: no markup, and <see cref="Harmless"/>.</summary>
    public static string Safe(string text) => Markup.Escape(Harmless(text));

    /// <summary>Text from outside, made harmless: no control characters, nothing that breaks a line or turns its direction.</summary>
    public static string Harmless(string text) => string.Concat(text.Select(c => IsHarmless(c) ? c : '?'));

    private static bool IsHarmless(char c) => char.GetUnicodeCategory(c)
        is not (UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
        && c is not ('\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069'));
}

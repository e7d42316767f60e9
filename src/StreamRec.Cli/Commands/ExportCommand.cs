using System.CommandLine;
using StreamRec.Cli.Files;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec export</c>: the journal's interactions as rows, which <c>import</c> reads again.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var format = new Option<RowFormat?>("--format") { Description = "csv or jsonl (default: what the file's name says, else jsonl)." };
        var file = new Option<string?>("--out") { Description = "File, compressed when it ends in .gz; it appears when it is complete (default or -: standard output)." };
        var after = new Option<long>("--after") { Description = "Only what stands behind this journal position.", DefaultValueFactory = _ => 0 };
        var user = new Option<string?>("--user") { Description = "Only this user's." };
        var command = new Command("export", "The journal's interactions as rows: csv or jsonl.") { format, file, after, user };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var path = result.GetValue(file) is { } name and not "-" ? name : null;
            if (path is null && Settings.AsJson(result))
            {
                throw new ArgumentException("--json writes the summary to standard output, where the rows go without --out; name a file.");
            }

            await using var source = await InteractionSource.OpenAsync(options, logs, cancellationToken);
            await using var writer = new InteractionWriter(path, result.GetValue(format) ?? FormatOf(path));
            var last = path is null && Output.IsTerminal
                // Rows on a terminal are progress enough.
                ? await WriteAsync(source, writer, result.GetValue(after), result.GetValue(user), static (_, _) => { }, cancellationToken)
                : await Output.WithProgressAsync("exporting", 100, "%", report => WriteAsync(
                    source, writer, result.GetValue(after), result.GetValue(user), (done, total) => report(100.0 * done / total), cancellationToken));
            await writer.CompleteAsync();
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { Interactions = writer.Rows, LastPosition = last, File = path });
            }
            else
            {
                Console.Error.WriteLine($"Exported {writer.Rows:N0} interactions{(last > 0 ? $", up to journal position {last}" : "")}.");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<long> WriteAsync(
        InteractionSource source, InteractionWriter writer, long after, string? user, Action<long, long> report, CancellationToken cancellationToken)
    {
        if (after < 0)
        {
            throw new ArgumentException($"--after is {after}; it must be 0 or a journal position.");
        }

        var last = 0L;
        await foreach (var row in source.ReadAsync(after, user, cancellationToken))
        {
            await writer.WriteAsync(row);
            last = row.Position;
            report(last - after, Math.Max(1, source.Position - after));
        }

        return last;
    }

    private static RowFormat FormatOf(string? path) =>
        path is not null && path.Split('/', '\\')[^1].Contains(".csv", StringComparison.OrdinalIgnoreCase) ? RowFormat.Csv : RowFormat.Jsonl;
}

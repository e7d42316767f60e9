using System.Globalization;
using System.Text;
using StreamRec.Domain;

namespace StreamRec.Cli.Files;

/// <summary>A file of interactions: what <c>import</c> and <c>replay</c> read, plain or gzip.</summary>
/// <remarks>
/// The format is told by content: S3-Rec sequence lines, RecBole's <c>.inter</c>, MovieLens (<c>u.data</c>, <c>ratings.csv</c>,
/// <c>ratings.dat</c>), csv or tsv with a header, or jsonl. Rows with timestamps are put in order of time, stably, because public files are sorted by user;
/// those with a journal's positions, which <c>export</c> has written, stay in theirs;
/// sequence files have no times, so users take turns: everybody's first item, everybody's second, …
/// </remarks>
public static class InteractionFile
{
    /// <summary>Reads a whole file.</summary>
    /// <exception cref="InvalidDataException">The format is not known, or a line does not fit it; the message names the line.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static IReadOnlyList<Interaction> Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"There is no file '{path}'.", path);
        }

        try
        {
            var lines = ReadLines(path);
            return lines.Count > 0 ? Parse(lines) : throw new InvalidDataException($"'{path}' is empty.");
        }
        catch (FormatException exception)
        {
            throw new InvalidDataException($"'{path}': {exception.Message}", exception);
        }
    }

    private static List<Row> ReadLines(string path)
    {
        var lines = new List<Row>();
        var number = 0;
        try
        {
            using var reader = new StreamReader(CompressedFile.OpenRead(path), new UTF8Encoding(false, throwOnInvalidBytes: true));
            while (reader.ReadLine() is { } line)
            {
                number++;
                if (line.Length > 0)
                {
                    lines.Add(new Row(number, line));
                }
            }

            return lines;
        }
        catch (DecoderFallbackException exception)
        {
            throw new FormatException($"after row {number} there are bytes that are not UTF-8 text.", exception);
        }
        catch (InvalidDataException exception)
        {
            throw new FormatException($"after row {number} the gzip data is damaged: {exception.Message}", exception);
        }
    }

    private static List<Interaction> Parse(List<Row> lines)
    {
        var first = lines[0].Text;
        if (first.StartsWith('{'))
        {
            var interactions = JsonLines.Read(lines);
            return JsonLines.HasPlace(lines[0]) ? [.. interactions] : ByTime(interactions);
        }

        if (first.Contains("::", StringComparison.Ordinal))
        {
            return ByTime(Rows(lines, skip: 0, ["user_id", "item_id", "rating", "timestamp"], "::"));
        }

        foreach (var separator in new[] { "\t", "," })
        {
            var columns = Fields(lines[0], separator);
            if (columns.Length < 2)
            {
                continue;
            }

            var names = columns.Select(ColumnName).ToArray();
            if (names.Contains("user_id") && names.Contains("item_id"))
            {
                var interactions = Rows(lines, skip: 1, names, separator);
                return names.Contains("POSITION") && names.Contains("LOG") && names.Contains("OFFSET") ? [.. interactions] : ByTime(interactions);
            }

            if (columns.Length == 4 && columns.All(IsNumber))
            {
                return ByTime(Rows(lines, skip: 0, ["user_id", "item_id", "rating", "timestamp"], separator));
            }
        }

        return first.Split(' ').Length >= 2 && !first.Contains('\t') && !first.Contains(',')
            ? InTurns(lines)
            : throw new FormatException(
                "the format is not known. Expected lines 'user item item …', jsonl, or a header with user_id and item_id (csv or tsv; also type, timestamp, value, event_id).");
    }

    // RecBole writes "user_id:token", MovieLens "userId", Amazon csv exports "user" or "reviewerID".
    private static string ColumnName(string header) => header.Split(':')[0].Trim().Trim('"').ToUpperInvariant() switch
    {
        "USER_ID" or "USERID" or "USER" or "REVIEWERID" => "user_id",
        "ITEM_ID" or "ITEMID" or "ITEM" or "MOVIEID" or "ASIN" or "PARENT_ASIN" => "item_id",
        "TIMESTAMP" or "TIME" or "UNIXREVIEWTIME" => "timestamp",
        "RATING" or "VALUE" or "OVERALL" => "rating",
        "TYPE" or "EVENT_TYPE" => "type",
        "EVENT_ID" => "event_id",
        var other => other,
    };

    private static IEnumerable<Interaction> Rows(List<Row> lines, int skip, string[] names, string separator)
    {
        var (user, item) = (Array.IndexOf(names, "user_id"), Array.IndexOf(names, "item_id"));
        var (time, rating) = (Array.IndexOf(names, "timestamp"), Array.IndexOf(names, "rating"));
        var (type, id) = (Array.IndexOf(names, "type"), Array.IndexOf(names, "event_id"));
        foreach (var row in lines.Skip(skip))
        {
            var fields = Fields(row, separator);
            if (fields.Length != names.Length)
            {
                throw new FormatException($"row {row.Number} has {fields.Length} fields; the first row has {names.Length}.");
            }

            var value = rating < 0 || fields[rating].Length == 0 ? double.NaN : Number(fields[rating], row, "a rating");
            yield return new Interaction(
                row.Id("user", Id(fields[user])),
                row.Id("item", Id(fields[item])),
                type >= 0 ? row.Type(fields[type]) : rating >= 0 ? InteractionType.Rating : InteractionType.Click,
                time < 0 ? 0 : row.Timestamp(fields[time]),
                value,
                id < 0 || fields[id].Length == 0 ? null : row.Id("event", fields[id]));
        }

        // Some write quotes round ids where tabs separate, too.
        string Id(string field) => separator == "," ? field : field.Trim('"');
    }

    // RFC 4180 where commas separate: in quotes a field may hold commas, and quotes twice.
    private static string[] Fields(Row row, string separator)
    {
        if (separator != "," || !row.Text.Contains('"', StringComparison.Ordinal))
        {
            return row.Text.Split(separator);
        }

        var (fields, text) = (new List<string>(), row.Text);
        for (var at = 0; at <= text.Length; at++)
        {
            if (at == text.Length || text[at] != '"')
            {
                var end = text.IndexOf(',', at) is >= 0 and var comma ? comma : text.Length;
                fields.Add(text[at..end]);
                at = end;
                continue;
            }

            var field = new StringBuilder();
            for (at++; ; at++)
            {
                var quote = text.IndexOf('"', at);
                if (quote < 0)
                {
                    throw new FormatException($"row {row.Number}: the quotes of field {fields.Count + 1} do not end.");
                }

                field.Append(text, at, quote - at);
                at = quote + 1;
                if (at == text.Length || text[at] != '"')
                {
                    break;
                }

                field.Append('"');
            }

            if (at < text.Length && text[at] != ',')
            {
                throw new FormatException($"row {row.Number}: behind the quotes of field {fields.Count + 1} there must be a comma.");
            }

            fields.Add(field.ToString());
        }

        return [.. fields];
    }

    private static List<Interaction> InTurns(List<Row> lines)
    {
        var users = lines.Select(row => (Row: row, Fields: row.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries))).ToList();
        var interactions = new List<Interaction>();
        var longest = users.Max(user => user.Fields.Length);
        for (var turn = 1; turn < longest; turn++)
        {
            foreach (var (row, fields) in users)
            {
                if (turn < fields.Length)
                {
                    interactions.Add(new Interaction(row.Id("user", fields[0]), row.Id("item", fields[turn]), InteractionType.Click, 0));
                }
            }
        }

        return interactions;
    }

    private static List<Interaction> ByTime(IEnumerable<Interaction> interactions) =>
        [.. interactions.OrderBy(interaction => interaction.TimestampMs)];

    private static bool IsNumber(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    private static double Number(string text, Row row, string what) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? number
            : throw new FormatException($"row {row.Number}: '{text}' is not {what}.");
}

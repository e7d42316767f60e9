using System.Globalization;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Cli.Files;

/// <summary>Interactions as JSON lines: the shape of the interactions topic, or Amazon's review dumps (<c>reviewerID</c>, <c>asin</c>, …).</summary>
internal static class JsonLines
{
    public static IEnumerable<Interaction> Read(List<string> lines)
    {
        for (var i = 0; i < lines.Count; i++)
        {
            yield return Parse(lines[i], i + 1);
        }
    }

    private static Interaction Parse(string line, int number)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            var rating = Find(root, "value", "overall", "rating");
            return new Interaction(
                Text(Find(root, "user_id", "reviewerID", "user") ?? throw new FormatException($"line {number} has no user_id.")),
                Text(Find(root, "item_id", "asin", "parent_asin", "item") ?? throw new FormatException($"line {number} has no item_id.")),
                Find(root, "type") is { } type ? TypeOf(Text(type), number) : InteractionType.Click,
                Find(root, "timestamp", "unixReviewTime") is { } time ? Milliseconds(time, number) : 0,
                rating is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : double.NaN,
                Find(root, "event_id") is { } id ? Text(id) : null);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"line {number} is not JSON: {exception.Message}", exception);
        }
    }

    private static JsonElement? Find(JsonElement root, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null)
            {
                return value;
            }
        }

        return null;
    }

    private static string Text(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static InteractionType TypeOf(string text, int line) =>
        Enum.TryParse<InteractionType>(text, ignoreCase: true, out var type) && Enum.IsDefined(type)
            ? type
            : throw new FormatException($"line {line}: '{text}' is not a type; it must be click, view, cart, purchase, rating or impression.");

    private static long Milliseconds(JsonElement time, int line)
    {
        if (time.ValueKind == JsonValueKind.Number)
        {
            var number = time.GetDouble();
            return (long)(Math.Abs(number) < 1e11 ? number * 1000 : number);
        }

        return DateTimeOffset.TryParse(Text(time), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? at.ToUnixTimeMilliseconds()
            : throw new FormatException($"line {line}: '{Text(time)}' is not a timestamp.");
    }
}

using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Cli.Files;

/// <summary>Interactions as JSON lines: the shape of the interactions topic, or Amazon's review dumps (<c>reviewerID</c>, <c>asin</c>, …).</summary>
internal static class JsonLines
{
    public static IEnumerable<Interaction> Read(IEnumerable<Row> lines) => lines.Select(Parse);

    /// <summary>Whether a line says where in a journal its interaction stood, as <c>export</c> writes it.</summary>
    public static bool HasPlace(Row row)
    {
        try
        {
            using var document = JsonDocument.Parse(row.Text);
            return Find(document.RootElement, "position") is not null && Find(document.RootElement, "log") is not null && Find(document.RootElement, "offset") is not null;
        }
        catch (JsonException)
        {
            // Whoever reads the line says what is wrong with it.
            return false;
        }
    }

    private static Interaction Parse(Row row)
    {
        try
        {
            using var document = JsonDocument.Parse(row.Text);
            var root = document.RootElement;
            // Only reviews call it so; the topic's own "value" may be anything, for example a quantity.
            var rating = Find(root, "overall", "rating");
            return new Interaction(
                row.Id("user", Text(Find(root, "user_id", "reviewerID", "user") ?? throw new FormatException($"row {row.Number} has no user_id."))),
                row.Id("item", Text(Find(root, "item_id", "asin", "parent_asin", "item") ?? throw new FormatException($"row {row.Number} has no item_id."))),
                Find(root, "type") is { } type ? row.Type(Text(type)) : rating is null ? InteractionType.Click : InteractionType.Rating,
                Find(root, "timestamp", "unixReviewTime") is { } time ? row.Timestamp(Text(time)) : 0,
                (Find(root, "value") ?? rating) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : double.NaN,
                Find(root, "event_id") is { } id ? row.Id("event", Text(id)) : null);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Half of a surrogate pair is JSON by its grammar, but no text: the reader calls that an invalid operation.
            throw new FormatException($"row {row.Number} is not JSON: {exception.Message}", exception);
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
}

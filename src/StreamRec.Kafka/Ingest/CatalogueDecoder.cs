using System.Text;
using System.Text.Json;

namespace StreamRec.Kafka.Ingest;

/// <summary>Turns a record of the items topic into a change; never throws for what a producer sent.</summary>
internal static class CatalogueDecoder
{
    /// <summary>Decodes one record; null when it worked. A record without a value is a tombstone: its key names the item that is withdrawn.</summary>
    public static DecodeError? Decode(byte[]? key, byte[]? value, int maxBytes, out CatalogueChange? change)
    {
        change = null;
        if (value is null)
        {
            var error = RecordJson.CheckId(key, "item_id");
            change = error is null ? new CatalogueChange(Encoding.UTF8.GetString(key!), null, null, Available: false) : null;
            return error;
        }

        if (RecordJson.CheckBytes(value, maxBytes) is { } unreadable)
        {
            return unreadable;
        }

        try
        {
            return Read(value, out change);
        }
        catch (JsonException e)
        {
            return RecordJson.Broken(e);
        }
        catch (InvalidOperationException)
        {
            return RecordJson.BrokenEscape();
        }
    }

    private static DecodeError? Read(ReadOnlySpan<byte> json, out CatalogueChange? change)
    {
        change = null;
        var reader = new Utf8JsonReader(json, RecordJson.Options);
        if (!RecordJson.TryStartObject(ref reader))
        {
            return RecordJson.NotAnObject();
        }

        string? itemId = null, title = null, categories = null;
        var available = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            DecodeError? error = null;
            if (reader.ValueTextEquals("item_id"u8))
            {
                reader.Read();
                error = itemId is null ? RecordJson.ReadId(ref reader, "item_id", out itemId) : DecodeError.Duplicate("item_id");
            }
            else if (reader.ValueTextEquals("title"u8))
            {
                reader.Read();
                error = ReadText(ref reader, "title", out title);
            }
            else if (reader.ValueTextEquals("categories"u8))
            {
                reader.Read();
                error = ReadCategories(ref reader, out categories);
            }
            else if (reader.ValueTextEquals("available"u8))
            {
                reader.Read();
                error = ReadAvailable(ref reader, out available);
            }
            else
            {
                reader.Skip();
            }

            if (error is not null)
            {
                return error;
            }
        }

        reader.Read();
        if (itemId is null)
        {
            return DecodeError.Missing("item_id");
        }

        change = new CatalogueChange(itemId, title, categories, available);
        return null;
    }

    private static DecodeError? ReadText(ref Utf8JsonReader reader, string field, out string? text)
    {
        text = null;
        if (reader.TokenType is JsonTokenType.Null)
        {
            return null;
        }

        if (reader.TokenType is not JsonTokenType.String)
        {
            return DecodeError.Invalid(field, $"is a {RecordJson.Kind(reader.TokenType)}; it must be a string.");
        }

        // Titles are shown in terminals and logs, where a control character could forge a line.
        text = reader.GetString()!;
        text = text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)) : text;
        return null;
    }

    private static DecodeError? ReadCategories(ref Utf8JsonReader reader, out string? categories)
    {
        if (reader.TokenType is not JsonTokenType.StartArray)
        {
            return ReadText(ref reader, "categories", out categories);
        }

        categories = null;
        var names = new List<string>();
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (ReadText(ref reader, "categories", out var name) is { } error)
            {
                return error;
            }

            if (name is not null)
            {
                names.Add(name);
            }
        }

        categories = names.Count == 0 ? null : string.Join(", ", names);
        return null;
    }

    private static DecodeError? ReadAvailable(ref Utf8JsonReader reader, out bool available)
    {
        available = reader.TokenType is not JsonTokenType.False;
        return reader.TokenType is JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null
            ? null
            : DecodeError.Invalid("available", $"is a {RecordJson.Kind(reader.TokenType)}; it must be true or false.");
    }
}

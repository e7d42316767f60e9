using System.Text.Json;
using System.Text.Unicode;

namespace StreamRec.Kafka.Ingest;

/// <summary>What the decoders of all topics share: limits of a record, and how an id is read from JSON.</summary>
internal static class RecordJson
{
    // An escaped character takes up to six bytes (\u00e9) for at least one of the id.
    internal const int MaxEscapedBytes = 6 * Utf8Interner.MaxBytes;

    internal static readonly JsonReaderOptions Options = new() { MaxDepth = 16 };

    /// <summary>Refuses what must not even be parsed: nothing at all, too much, or bytes that are no text.</summary>
    internal static DecodeError? CheckBytes(ReadOnlySpan<byte> value, int maxBytes)
    {
        if (value.Length > maxBytes)
        {
            return new DecodeError(DecodeError.Oversized, $"The record has {value.Length} bytes; it may have at most {maxBytes} (Kafka:MaxRecordBytes).");
        }

        if (value.IsEmpty)
        {
            return new DecodeError(DecodeError.Empty, "The record has no value; it must be a JSON object.");
        }

        return Utf8.IsValid(value) ? null : new DecodeError(DecodeError.InvalidUtf8, "The record is not valid UTF-8.");
    }

    /// <summary>The error for an exception of the JSON reader.</summary>
    internal static DecodeError Broken(JsonException e) => new(
        DecodeError.InvalidJson,
        $"The record is not one JSON object nested at most 16 deep (line {(e.LineNumber ?? 0) + 1}, byte {e.BytePositionInLine ?? 0}).");

    /// <summary>The error for an escaped lone surrogate, which only unescaping finds.</summary>
    internal static DecodeError BrokenEscape() => new(DecodeError.InvalidUtf8, "The record has an escape that is half a character.");

    /// <summary>Moves to the object that the record is; false when it is something else.</summary>
    internal static bool TryStartObject(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.StartObject;

    internal static DecodeError NotAnObject() => new(DecodeError.InvalidJson, "The record is JSON but not an object.");

    /// <summary>Reads an id: a string, or an integer taken as its text. Null counts as absent and gives null.</summary>
    /// <param name="reader">At the value.</param>
    /// <param name="field">The field's name, for the error.</param>
    /// <param name="interner">Where known ids are; null for ids that do not repeat.</param>
    /// <param name="id">The id.</param>
    internal static DecodeError? ReadId(ref Utf8JsonReader reader, string field, Utf8Interner? interner, out string? id)
    {
        id = null;
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return null;
            case JsonTokenType.Number when reader.ValueSpan.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0:
            case JsonTokenType.String when !reader.ValueIsEscaped:
                return ToId(reader.ValueSpan, field, interner, out id);
            case JsonTokenType.String when reader.ValueSpan.Length <= MaxEscapedBytes:
                Span<byte> unescaped = stackalloc byte[MaxEscapedBytes];
                return ToId(unescaped[..reader.CopyString(unescaped)], field, interner, out id);
            case JsonTokenType.String:
                return WrongLength(field, reader.ValueSpan.Length);
            default:
                return DecodeError.Invalid(field, $"is a {Kind(reader.TokenType)}; it must be a string or a non-negative integer.");
        }
    }

    internal static DecodeError? ToId(ReadOnlySpan<byte> utf8, string field, Utf8Interner? interner, out string? id)
    {
        id = null;
        if (utf8.Length is 0 or > Utf8Interner.MaxBytes)
        {
            return WrongLength(field, utf8.Length);
        }

        var isValid = interner is null ? Utf8Interner.TryCreate(utf8, out var value) : interner.TryIntern(utf8, out value);
        if (!isValid)
        {
            return DecodeError.Invalid(field, "has control characters or is not valid UTF-8; an id must be text without them.");
        }

        id = value;
        return null;
    }

    internal static string Kind(JsonTokenType token) => token switch
    {
        JsonTokenType.String => "string",
        JsonTokenType.Number => "number",
        JsonTokenType.True or JsonTokenType.False => "boolean",
        JsonTokenType.StartObject => "object",
        JsonTokenType.StartArray => "array",
        _ => "null",
    };

    private static DecodeError WrongLength(string field, int bytes) =>
        DecodeError.Invalid(field, $"has {bytes} bytes; an id has 1 to {Utf8Interner.MaxBytes} UTF-8 bytes.");
}

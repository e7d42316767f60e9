using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>What the decoders of all topics share: limits of a record, and how an id is read from JSON.</summary>
internal static class RecordJson
{
    // An escaped character takes up to six bytes (\u00e9) for at least one of the id.
    internal const int MaxEscapedBytes = 6 * Interaction.MaxIdBytes;

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

    /// <summary>Reads an id: a string, or an integer taken as its text. Null counts as absent and gives nothing.</summary>
    /// <param name="reader">At the value.</param>
    /// <param name="field">The field's name, for the error.</param>
    /// <param name="unescaped">Room for an id of <see cref="MaxEscapedBytes"/> bytes, which the one returned may stand in.</param>
    /// <param name="id">The id in UTF-8: the record's own bytes, or <paramref name="unescaped"/>; empty when there is none.</param>
    internal static DecodeError? ReadId(scoped ref Utf8JsonReader reader, string field, Span<byte> unescaped, out ReadOnlySpan<byte> id)
    {
        id = default;
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return null;
            case JsonTokenType.Number when reader.ValueSpan.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0:
            case JsonTokenType.String when !reader.ValueIsEscaped:
                id = reader.ValueSpan;
                return CheckId(id, field);
            case JsonTokenType.String when reader.ValueSpan.Length <= MaxEscapedBytes:
                id = unescaped[..reader.CopyString(unescaped)];
                return CheckId(id, field);
            case JsonTokenType.String:
                return WrongLength(field, reader.ValueSpan.Length);
            default:
                return DecodeError.Invalid(field, $"is a {Kind(reader.TokenType)}; it must be a string or a non-negative integer.");
        }
    }

    /// <summary>The same as a string; null when there is none.</summary>
    internal static DecodeError? ReadId(ref Utf8JsonReader reader, string field, out string? id)
    {
        var error = ReadId(ref reader, field, reader.ValueIsEscaped ? new byte[MaxEscapedBytes] : [], out var utf8);
        id = error is null && !utf8.IsEmpty ? Encoding.UTF8.GetString(utf8) : null;
        return error;
    }

    /// <summary>What is wrong with an id; null when nothing is.</summary>
    internal static DecodeError? CheckId(ReadOnlySpan<byte> utf8, string field) =>
        utf8.Length is 0 or > Interaction.MaxIdBytes ? WrongLength(field, utf8.Length)
        : Interaction.IsId(utf8) ? null
        : DecodeError.Invalid(field, "has control characters or is not valid UTF-8; an id must be text without them.");

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
        DecodeError.Invalid(field, $"has {bytes} bytes; an id has 1 to {Interaction.MaxIdBytes} UTF-8 bytes.");
}

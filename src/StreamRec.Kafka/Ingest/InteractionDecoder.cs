using System.Text;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>Turns a record's bytes into an interaction, or into the reason why that cannot be done; never throws for what a producer sent.</summary>
/// <remarks>Reads the bytes in place: the ids that it gives are the record's own bytes wherever nothing had to be unescaped. Threading: one thread, the consumer's.</remarks>
internal sealed partial class InteractionDecoder
{
    private static readonly TimeSpan Future = TimeSpan.FromDays(1);

    private readonly int _maxRecordBytes;
    private readonly TimeProvider _time;
    private readonly FieldMap? _map;
    private readonly UnmatchedTypes _unmatchedTypes = new();
    private readonly byte[] _unescapedUser = new byte[RecordJson.MaxEscapedBytes];
    private readonly byte[] _unescapedItem = new byte[RecordJson.MaxEscapedBytes];
    private long _latestMs;

    /// <param name="maxRecordBytes">A larger record is refused unparsed.</param>
    /// <param name="mapping">Valid settings of where the fields are.</param>
    /// <param name="time">The clock that a record's time may be a day ahead of.</param>
    public InteractionDecoder(int maxRecordBytes, MappingOptions mapping, TimeProvider time)
    {
        _maxRecordBytes = maxRecordBytes;
        _map = FieldMap.Compile(mapping);
        _time = time;
    }

    /// <summary>The types that meant nothing so far. From any thread.</summary>
    public UnmatchedTypeCounts UnmatchedTypes => _unmatchedTypes.Counts;

    /// <summary>Decodes one record; null when it worked.</summary>
    /// <param name="value">The record's value.</param>
    /// <param name="headers">What <see cref="RecordHeaders.Read"/> found.</param>
    /// <param name="recordTimestampMs">The record's own timestamp, ms since 1970, for an interaction that carries none.</param>
    /// <param name="interaction">The interaction when null is returned; valid until the next call, and only as long as <paramref name="value"/>.</param>
    public DecodeError? Decode(ReadOnlySpan<byte> value, RecordHeaders headers, long recordTimestampMs, out DecodedInteraction interaction)
    {
        interaction = default;
        if (RecordJson.CheckBytes(value, _maxRecordBytes) is { } unreadable)
        {
            return unreadable;
        }

        var fields = new Fields();
        try
        {
            var error = _map is not null ? ReadMapped(value, headers.IsStructuredEvent ? _map.Event : _map.Record, ref fields)
                : headers.IsStructuredEvent ? ReadEnvelope(value, ref fields)
                : ReadInteraction(value, ref fields);
            if ((error ?? ApplyHeaders(headers, ref fields) ?? Check(ref fields, recordTimestampMs)) is { } failure)
            {
                return failure;
            }
        }
        catch (JsonException e)
        {
            return RecordJson.Broken(e);
        }
        catch (InvalidOperationException)
        {
            return RecordJson.BrokenEscape();
        }

        interaction = new DecodedInteraction
        {
            UserId = fields.UserId,
            ItemId = fields.ItemId,
            Type = fields.Type,
            TimestampMs = fields.TimestampMs!.Value,
            Value = fields.Value,
            EventId = fields.EventId,
        };
        return null;
    }

    private DecodeError? ReadInteraction(ReadOnlySpan<byte> json, ref Fields fields)
    {
        var reader = new Utf8JsonReader(json, RecordJson.Options);
        if (!RecordJson.TryStartObject(ref reader))
        {
            return RecordJson.NotAnObject();
        }

        var seen = InteractionField.None;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = FieldOf(ref reader);
            if (field != InteractionField.None && (seen & field) != 0)
            {
                return DecodeError.Duplicate(NameOf(field));
            }

            seen |= field;
            reader.Read();
            if (ReadField(ref reader, field, ref fields) is { } error)
            {
                return error;
            }
        }

        // Anything but white space after the object makes the reader throw.
        reader.Read();
        return null;
    }

    private DecodeError? ReadField(ref Utf8JsonReader reader, InteractionField field, ref Fields fields)
    {
        switch (field)
        {
            case InteractionField.UserId:
                return RecordJson.ReadId(ref reader, "user_id", _unescapedUser, out fields.UserId);
            case InteractionField.ItemId:
                return RecordJson.ReadId(ref reader, "item_id", _unescapedItem, out fields.ItemId);
            case InteractionField.EventId:
                return RecordJson.ReadId(ref reader, "event_id", out fields.EventId);
            case InteractionField.Type:
                return ReadType(ref reader, ref fields);
            case InteractionField.Timestamp:
                return ReadTimestamp(ref reader, ref fields);
            case InteractionField.Value:
                return ReadValue(ref reader, ref fields);
            default:
                reader.Skip();
                return null;
        }
    }

    private DecodeError? ReadType(ref Utf8JsonReader reader, ref Fields fields)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return null;
        }

        if (reader.TokenType == JsonTokenType.String)
        {
            for (var i = 0; i < TypeNames.Length; i++)
            {
                if (reader.ValueTextEquals(TypeNames[i]))
                {
                    fields.Type = (InteractionType)i;
                    return null;
                }
            }
        }

        _unmatchedTypes.Count(ref reader);
        return new DecodeError(DecodeError.UnknownType, "type is unknown; it must be click, view, cart, purchase, rating or impression.");
    }

    private static DecodeError? ReadTimestamp(ref Utf8JsonReader reader, ref Fields fields)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return null;
            case JsonTokenType.Number when reader.TryGetInt64(out var milliseconds):
                fields.TimestampMs = milliseconds;
                return null;
            case JsonTokenType.Number when reader.TryGetDouble(out var number) && Math.Abs(number) < 1e15:
                fields.TimestampMs = (long)Math.Floor(number);
                return null;
            case JsonTokenType.String when reader.TryGetDateTimeOffset(out var moment):
                // Without an offset the reader takes the machine's zone; here it is UTC, wherever the process runs.
                fields.TimestampMs = reader.TryGetDateTime(out var plain) && plain.Kind == DateTimeKind.Unspecified
                    ? new DateTimeOffset(plain, TimeSpan.Zero).ToUnixTimeMilliseconds()
                    : moment.ToUnixTimeMilliseconds();
                return null;
            default:
                return new DecodeError(DecodeError.InvalidTimestamp, "timestamp must be ISO 8601 (2026-11-20T23:17:00Z) or milliseconds since 1970.");
        }
    }

    private static DecodeError? ReadValue(ref Utf8JsonReader reader, ref Fields fields)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return null;
        }

        if (reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var value) && double.IsFinite(value))
        {
            fields.Value = value;
            return null;
        }

        return new DecodeError(DecodeError.InvalidValue, "value must be a finite number.");
    }

    private DecodeError? Check(ref Fields fields, long recordTimestampMs)
    {
        if (fields.UserId.IsEmpty)
        {
            return Explain(InteractionField.UserId, DecodeError.Missing("user_id"));
        }

        if (fields.ItemId.IsEmpty)
        {
            return Explain(InteractionField.ItemId, DecodeError.Missing("item_id"));
        }

        var timestamp = fields.TimestampMs ??= recordTimestampMs;
        if (timestamp > _latestMs)
        {
            // The clock is read only when a record is ahead of where the bound was last.
            _latestMs = (_time.GetUtcNow() + Future).ToUnixTimeMilliseconds();
        }

        return timestamp >= 0 && timestamp <= _latestMs
            ? null
            : new DecodeError(
                DecodeError.InvalidTimestamp,
                $"timestamp is {timestamp} ms since 1970; it must be in [0, {(_time.GetUtcNow() + Future).ToUnixTimeMilliseconds()}] (at most one day ahead).");
    }
}

/// <summary>A decoded interaction whose ids still stand in the record, or in the decoder.</summary>
internal ref struct DecodedInteraction
{
    /// <summary>UTF-8.</summary>
    public ReadOnlySpan<byte> UserId;

    /// <summary>UTF-8.</summary>
    public ReadOnlySpan<byte> ItemId;
    public InteractionType Type;
    public long TimestampMs;
    public double Value;
    public string? EventId;

    /// <summary>One that stands for itself.</summary>
    public readonly Interaction Copy() =>
        new(Encoding.UTF8.GetString(UserId), Encoding.UTF8.GetString(ItemId), Type, TimestampMs, Value, EventId);

    /// <summary>Puts it behind others of its partition.</summary>
    public readonly void AddTo(IngestedInteractions interactions, long offset, string? traceParent) =>
        interactions.Add(new IngestedInteraction(offset, Type, TimestampMs, Value, EventId, traceParent), UserId, ItemId);
}

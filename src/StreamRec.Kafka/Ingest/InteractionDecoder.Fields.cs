using System.Text;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <content>The fields of an interaction and the envelopes that may be around them.</content>
internal sealed partial class InteractionDecoder
{
    // In the order of InteractionType.
    private static readonly byte[][] TypeNames =
        ["click"u8.ToArray(), "view"u8.ToArray(), "cart"u8.ToArray(), "purchase"u8.ToArray(), "rating"u8.ToArray(), "impression"u8.ToArray()];

    private static InteractionField FieldOf(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("user_id"u8) ? InteractionField.UserId
        : reader.ValueTextEquals("item_id"u8) ? InteractionField.ItemId
        : reader.ValueTextEquals("type"u8) ? InteractionField.Type
        : reader.ValueTextEquals("timestamp"u8) ? InteractionField.Timestamp
        : reader.ValueTextEquals("event_id"u8) ? InteractionField.EventId
        : reader.ValueTextEquals("value"u8) ? InteractionField.Value
        : InteractionField.None;

    private static string NameOf(InteractionField field) => field switch
    {
        InteractionField.UserId => "user_id",
        InteractionField.ItemId => "item_id",
        InteractionField.EventId => "event_id",
        InteractionField.Type => "type",
        InteractionField.Timestamp => "timestamp",
        _ => "value",
    };

    /// <summary>CloudEvents structured mode: the interaction is <c>data</c>; the envelope's <c>id</c> and <c>time</c> fill in what it lacks.</summary>
    private DecodeError? ReadEnvelope(ReadOnlySpan<byte> json, ref Fields fields)
    {
        var reader = new Utf8JsonReader(json, RecordJson.Options);
        if (!RecordJson.TryStartObject(ref reader))
        {
            return RecordJson.NotAnObject();
        }

        var envelope = new Fields();
        var (dataStart, dataEnd) = (0L, 0L);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isData = reader.ValueTextEquals("data"u8);
            var isId = !isData && reader.ValueTextEquals("id"u8);
            var isTime = !isData && !isId && reader.ValueTextEquals("time"u8);
            reader.Read();
            var error = isId ? RecordJson.ReadId(ref reader, "event_id", out envelope.EventId)
                : isTime ? ReadTimestamp(ref reader, ref envelope)
                : null;
            if (error is not null)
            {
                return error;
            }

            if (isData && dataEnd != 0)
            {
                return DecodeError.Duplicate("data");
            }

            var start = reader.TokenStartIndex;
            var isObject = reader.TokenType == JsonTokenType.StartObject;
            reader.Skip();
            if (isData && isObject)
            {
                (dataStart, dataEnd) = (start, reader.BytesConsumed);
            }
        }

        reader.Read();
        if (dataEnd == 0)
        {
            return new DecodeError(DecodeError.InvalidCloudEvent, "The CloudEvents envelope has no data, or data is not a JSON object.");
        }

        var failure = ReadInteraction(json[(int)dataStart..(int)dataEnd], ref fields);
        fields.EventId ??= envelope.EventId;
        fields.TimestampMs ??= envelope.TimestampMs;
        return failure;
    }

    /// <summary>CloudEvents binary mode: <c>ce_id</c> and <c>ce_time</c> fill in what the interaction lacks.</summary>
    private static DecodeError? ApplyHeaders(RecordHeaders headers, ref Fields fields)
    {
        if (headers.EventId is { } id && fields.EventId is null)
        {
            if (RecordJson.CheckId(id, "event_id") is { } error)
            {
                return error;
            }

            fields.EventId = Encoding.UTF8.GetString(id);
        }

        if (headers.EventTime is { } time && fields.TimestampMs is null)
        {
            // Quoted, it is the JSON string that the reader's ISO 8601 parser takes; a quote inside makes it invalid either way.
            var quoted = new byte[time.Length + 2];
            quoted[0] = quoted[^1] = (byte)'"';
            time.CopyTo(quoted, 1);
            var reader = new Utf8JsonReader(quoted);
            reader.Read();
            return ReadTimestamp(ref reader, ref fields);
        }

        return null;
    }

    private ref struct Fields()
    {
        public ReadOnlySpan<byte> UserId;
        public ReadOnlySpan<byte> ItemId;
        public string? EventId;
        public InteractionType Type = InteractionType.Click;
        public long? TimestampMs;
        public double Value = double.NaN;
    }
}

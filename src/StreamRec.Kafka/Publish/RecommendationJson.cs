using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Kafka.Publish;

/// <summary>Writes a list as the recommendations topic has it.</summary>
internal static class RecommendationJson
{
    // The value is never put into HTML as it is: ids stay readable instead of being escaped.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>The record's value.</summary>
    /// <param name="buffer">Scratch space that is used again for the next list; one thread's own.</param>
    /// <param name="recommendation">The list.</param>
    /// <param name="catalogue">Gives item ids for item numbers.</param>
    /// <exception cref="ArgumentException">A score is not finite.</exception>
    public static byte[] Write(ArrayBufferWriter<byte> buffer, Recommendation recommendation, Catalogue catalogue)
    {
        buffer.ResetWrittenCount();
        using var writer = new Utf8JsonWriter(buffer, Options);
        writer.WriteStartObject();
        writer.WriteString("user_id"u8, recommendation.UserId);
        writer.WriteNumber("sequence"u8, recommendation.Sequence);
        WriteItems(writer, recommendation.Items, catalogue);
        WriteModel(writer, recommendation.Model);
        WriteCause(writer, recommendation.Cause);
        writer.WritePropertyName("fallback"u8);
        WriteFallback(writer, recommendation.Fallback);
        writer.WriteString("generated_at"u8, recommendation.GeneratedAt.UtcDateTime);
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteItems(Utf8JsonWriter writer, IReadOnlyList<RankedItem> items, Catalogue catalogue)
    {
        writer.WriteStartArray("items"u8);
        for (var i = 0; i < items.Count; i++)
        {
            var item = items[i];
            writer.WriteStartObject();
            writer.WriteString("item_id"u8, catalogue[item.Item].Id);
            writer.WriteNumber("rank"u8, i + 1);
            writer.WriteNumber("score"u8, item.Score);
            writer.WriteString("source"u8, item.Source);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteModel(Utf8JsonWriter writer, ModelVersion? model)
    {
        writer.WritePropertyName("model"u8);
        if (model is null)
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartObject();
        writer.WriteString("family"u8, model.Family);
        writer.WriteNumber("version"u8, model.Version);
        writer.WriteString("variant"u8, model.Variant);
        writer.WriteEndObject();
    }

    private static void WriteCause(Utf8JsonWriter writer, Cause cause)
    {
        writer.WriteStartObject("cause"u8);
        if (cause.Source is { } source)
        {
            writer.WriteString("topic"u8, source.Topic);
            writer.WriteNumber("partition"u8, source.Partition);
            writer.WriteNumber("offset"u8, cause.Offset);
            writer.WriteString(
                "event_id"u8, cause.EventId ?? string.Create(CultureInfo.InvariantCulture, $"{source.Topic}-{source.Partition}-{cause.Offset}"));
        }
        else
        {
            writer.WriteString("request_id"u8, cause.RequestId);
        }

        writer.WriteEndObject();
    }

    private static void WriteFallback(Utf8JsonWriter writer, Fallback fallback)
    {
        switch (fallback)
        {
            case Fallback.None:
                writer.WriteNullValue();
                break;
            case Fallback.ColdStart:
                writer.WriteStringValue("cold_start"u8);
                break;
            case Fallback.NoModel:
                writer.WriteStringValue("no_model"u8);
                break;
            case Fallback.Overload:
                writer.WriteStringValue("overload"u8);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(fallback), $"Fallback {fallback} has no name in the recommendations topic.");
        }
    }
}

using System.Text;
using Confluent.Kafka;

namespace StreamRec.Kafka.Ingest;

/// <summary>The headers of a record that mean something here: trace context and CloudEvents.</summary>
/// <param name="TraceParent">A well-formed W3C <c>traceparent</c>, or null.</param>
/// <param name="IsStructuredEvent">The value is a CloudEvents envelope in JSON.</param>
/// <param name="EventId"><c>ce_id</c> of binary mode, or null.</param>
/// <param name="EventTime"><c>ce_time</c> of binary mode, or null.</param>
internal readonly record struct RecordHeaders(string? TraceParent, bool IsStructuredEvent, byte[]? EventId, byte[]? EventTime)
{
    private const int TraceParentLength = 55;

    /// <summary>Reads them; the last one of a name counts.</summary>
    internal static RecordHeaders Read(Headers? headers)
    {
        var found = default(RecordHeaders);
        for (var i = 0; i < (headers?.Count ?? 0); i++)
        {
            var header = headers![i];
            found = header.Key switch
            {
                "traceparent" => found with { TraceParent = ToTraceParent(header.GetValueBytes()) },
                "content-type" => found with { IsStructuredEvent = IsCloudEventsJson(header.GetValueBytes()) },
                "ce_id" => found with { EventId = header.GetValueBytes() },
                "ce_time" => found with { EventTime = header.GetValueBytes() },
                _ => found,
            };
        }

        return found;
    }

    private static bool IsCloudEventsJson(byte[]? value) =>
        value is not null && Ascii.EqualsIgnoreCase(value.AsSpan(0, Math.Min(value.Length, 28)), "application/cloudevents+json");

    // A malformed one is left out, as the W3C recommendation asks: tracing never decides over a record.
    private static string? ToTraceParent(byte[]? value)
    {
        if (value is not { Length: TraceParentLength })
        {
            return null;
        }

        for (var i = 0; i < value.Length; i++)
        {
            var isDash = i is 2 or 35 or 52;
            if (isDash ? value[i] != '-' : !char.IsAsciiHexDigitLower((char)value[i]))
            {
                return null;
            }
        }

        return Encoding.ASCII.GetString(value);
    }
}

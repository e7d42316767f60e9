using System.Text.Json;

namespace StreamRec.Kafka.Ingest;

/// <summary>Turns a record of the requests topic into a request; never throws for what a producer sent.</summary>
internal static class RequestDecoder
{
    private const int DefaultK = 10;
    private const int MaxK = 1000;
    private const int MaxExclude = 1000;

    /// <summary>Decodes one record; null when it worked.</summary>
    public static DecodeError? Decode(byte[]? value, string? traceParent, int maxBytes, out RecommendationRequest? request)
    {
        request = null;
        if (RecordJson.CheckBytes(value, maxBytes) is { } unreadable)
        {
            return unreadable;
        }

        try
        {
            return Read(value, traceParent, out request);
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

    private static DecodeError? Read(ReadOnlySpan<byte> json, string? traceParent, out RecommendationRequest? request)
    {
        request = null;
        var reader = new Utf8JsonReader(json, RecordJson.Options);
        if (!RecordJson.TryStartObject(ref reader))
        {
            return RecordJson.NotAnObject();
        }

        string? requestId = null, userId = null;
        var k = DefaultK;
        var exclude = new List<string>();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            DecodeError? error = null;
            if (reader.ValueTextEquals("request_id"u8))
            {
                reader.Read();
                error = requestId is null ? RecordJson.ReadId(ref reader, "request_id", out requestId) : DecodeError.Duplicate("request_id");
            }
            else if (reader.ValueTextEquals("user_id"u8))
            {
                reader.Read();
                error = userId is null ? RecordJson.ReadId(ref reader, "user_id", out userId) : DecodeError.Duplicate("user_id");
            }
            else if (reader.ValueTextEquals("k"u8))
            {
                reader.Read();
                error = ReadK(ref reader, ref k);
            }
            else if (reader.ValueTextEquals("exclude"u8))
            {
                reader.Read();
                error = ReadExclude(ref reader, exclude);
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
        if (requestId is null || userId is null)
        {
            return DecodeError.Missing(requestId is null ? "request_id" : "user_id");
        }

        request = new RecommendationRequest(requestId, userId, k, exclude, traceParent);
        return null;
    }

    private static DecodeError? ReadK(ref Utf8JsonReader reader, ref int k)
    {
        if (reader.TokenType is JsonTokenType.Null)
        {
            return null;
        }

        return reader.TokenType is JsonTokenType.Number && reader.TryGetInt32(out k) && k is >= 1 and <= MaxK
            ? null
            : DecodeError.Invalid("k", $"must be an integer in [1, {MaxK}].");
    }

    private static DecodeError? ReadExclude(ref Utf8JsonReader reader, List<string> exclude)
    {
        if (reader.TokenType is JsonTokenType.Null)
        {
            return null;
        }

        if (reader.TokenType is not JsonTokenType.StartArray)
        {
            return DecodeError.Invalid("exclude", $"is a {RecordJson.Kind(reader.TokenType)}; it must be an array of item ids.");
        }

        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (RecordJson.ReadId(ref reader, "exclude", out var item) is { } error)
            {
                return error;
            }

            if (item is null || exclude.Count == MaxExclude)
            {
                return DecodeError.Invalid("exclude", $"must have at most {MaxExclude} item ids, none of them null.");
            }

            exclude.Add(item);
        }

        return null;
    }
}

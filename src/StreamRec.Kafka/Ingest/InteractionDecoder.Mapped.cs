using System.Text;
using System.Text.Json;

namespace StreamRec.Kafka.Ingest;

/// <content>Records of any shape, read where a mapping says.</content>
/// <remarks>
/// One pass. What is wrong with a field is kept until the record has been read, because a type that is to be ignored settles the matter, wherever it
/// stands; of several errors the first one is told. A place that is there twice makes a record ambiguous, as a field does in the standard form.
/// </remarks>
internal sealed partial class InteractionDecoder
{
    private DecodeError? ReadMapped(ReadOnlySpan<byte> json, PathNode root, ref Fields fields)
    {
        var reader = new Utf8JsonReader(json, RecordJson.Options);
        if (!RecordJson.TryStartObject(ref reader))
        {
            return RecordJson.NotAnObject();
        }

        var pass = new Pass();
        if (ReadMembers(ref reader, root, ref fields, ref pass) is { } duplicate)
        {
            return duplicate;
        }

        // Anything but white space after the object makes the reader throw.
        reader.Read();
        fields.EventId ??= pass.Envelope.EventId;
        fields.TimestampMs ??= pass.Envelope.TimestampMs;
        return pass.IsIgnored ? DecodeError.IgnoredType : pass.Error;
    }

    private DecodeError? ReadMembers(ref Utf8JsonReader reader, PathNode node, ref Fields fields, ref Pass pass)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var member = Find(ref reader, node);
            reader.Read();
            if (member is null)
            {
                reader.Skip();
                continue;
            }

            if ((pass.Seen & member.Bit) != 0)
            {
                return DecodeError.Duplicate(member.Path);
            }

            pass.Seen |= member.Bit;
            if (ReadPlace(ref reader, member, ref fields, ref pass) is { } duplicate)
            {
                return duplicate;
            }
        }

        return null;
    }

    private DecodeError? ReadElements(ref Utf8JsonReader reader, PathNode node, ref Fields fields, ref Pass pass)
    {
        for (var i = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; i++)
        {
            PathNode? element = null;
            foreach (var (index, candidate) in node.Elements)
            {
                element = index == i ? candidate : element;
            }

            if (element is null)
            {
                reader.Skip();
            }
            else if (ReadPlace(ref reader, element, ref fields, ref pass) is { } duplicate)
            {
                return duplicate;
            }
        }

        return null;
    }

    private DecodeError? ReadPlace(ref Utf8JsonReader reader, PathNode node, ref Fields fields, ref Pass pass)
    {
        if (node.Field != InteractionField.None)
        {
            var error = ReadMappedField(ref reader, node, ref fields, ref pass);
            pass.Error ??= error is null ? null : Explain(node.Field, error);
            reader.Skip();
            return null;
        }

        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject when node.Members.Count > 0:
                return ReadMembers(ref reader, node, ref fields, ref pass);
            case JsonTokenType.StartArray when node.Elements.Count > 0:
                return ReadElements(ref reader, node, ref fields, ref pass);
            default:
                // Something else than the path leads through: what lies beyond is not there.
                reader.Skip();
                return null;
        }
    }

    private DecodeError? ReadMappedField(ref Utf8JsonReader reader, PathNode node, ref Fields fields, ref Pass pass) => node.Field switch
    {
        InteractionField.UserId => ReadMappedId(ref reader, node, "user_id", _unescapedUser, out fields.UserId),
        InteractionField.ItemId => ReadMappedId(ref reader, node, "item_id", _unescapedItem, out fields.ItemId),
        InteractionField.EventId => ReadMappedEventId(ref reader, node, ref fields),
        InteractionField.Type => ReadMappedType(ref reader, ref fields, ref pass),
        InteractionField.Timestamp when _map!.TimeInSeconds && reader.TokenType == JsonTokenType.Number => ReadSeconds(ref reader, ref fields),
        InteractionField.Timestamp => ReadTimestamp(ref reader, ref fields),
        InteractionField.Value => ReadValue(ref reader, ref fields),
        InteractionField.EnvelopeId => RecordJson.ReadId(ref reader, "event_id", out pass.Envelope.EventId),
        _ => ReadTimestamp(ref reader, ref pass.Envelope),
    };

    // Whoever names the place of an id means what is there: any number is taken as its text.
    private static DecodeError? ReadMappedId(
        scoped ref Utf8JsonReader reader, PathNode node, string field, Span<byte> unescaped, out ReadOnlySpan<byte> id)
    {
        if (!node.IsMapped || reader.TokenType != JsonTokenType.Number)
        {
            return RecordJson.ReadId(ref reader, field, unescaped, out id);
        }

        id = reader.ValueSpan;
        return RecordJson.CheckId(id, field);
    }

    private static DecodeError? ReadMappedEventId(ref Utf8JsonReader reader, PathNode node, ref Fields fields)
    {
        var unescaped = reader.ValueIsEscaped ? new byte[RecordJson.MaxEscapedBytes] : [];
        var error = ReadMappedId(ref reader, node, "event_id", unescaped, out var id);
        fields.EventId = error is null && !id.IsEmpty ? Encoding.UTF8.GetString(id) : null;
        return error;
    }

    private DecodeError? ReadMappedType(ref Utf8JsonReader reader, ref Fields fields, ref Pass pass)
    {
        if (reader.TokenType is JsonTokenType.String or JsonTokenType.Number && reader.ValueSpan.Length <= RecordJson.MaxEscapedBytes)
        {
            Span<char> word = stackalloc char[RecordJson.MaxEscapedBytes];
            var length = reader.TokenType == JsonTokenType.String ? reader.CopyString(word) : Encoding.ASCII.GetChars(reader.ValueSpan, word);
            if (_map!.Types.TryGetValue(word[..length], out var type))
            {
                pass.IsIgnored = type is null;
                fields.Type = type ?? fields.Type;
                return null;
            }
        }

        return ReadType(ref reader, ref fields) is null
            ? null
            : new DecodeError(DecodeError.UnknownType, "type is unknown; Mapping:Types must list it, or it must be click, view, cart, purchase, rating or impression.");
    }

    private static DecodeError? ReadSeconds(ref Utf8JsonReader reader, ref Fields fields)
    {
        // Decimal, because 1700000000.123 s are not quite 1700000000123 ms in a double.
        if (reader.TryGetDecimal(out var seconds) && Math.Abs(seconds) < 1e12m)
        {
            fields.TimestampMs = (long)Math.Floor(seconds * 1000);
            return null;
        }

        return new DecodeError(DecodeError.InvalidTimestamp, "timestamp must be ISO 8601 (2026-11-20T23:17:00Z) or seconds since 1970.");
    }

    private DecodeError Explain(InteractionField field, DecodeError error) => _map?.Explain(field, error) ?? error;

    private static PathNode? Find(ref Utf8JsonReader reader, PathNode node)
    {
        foreach (var (name, member) in node.Members)
        {
            if (reader.ValueTextEquals(name))
            {
                return member;
            }
        }

        return null;
    }

    /// <summary>What a pass over a record has found besides the fields.</summary>
    private ref struct Pass()
    {
        public UInt128 Seen;
        public DecodeError? Error;
        public bool IsIgnored;
        public Fields Envelope = new();
    }
}

namespace StreamRec.Kafka.Ingest;

/// <summary>Why a record cannot be used. The codes are stable: they are dead-letter headers and metric tags.</summary>
/// <param name="Code">For machines, for example <c>missing_user_id</c>.</param>
/// <param name="Message">For people: the field and what is allowed; never the producer's text.</param>
internal sealed record DecodeError(string Code, string Message)
{
    internal const string Oversized = "oversized";
    internal const string Empty = "empty";
    internal const string InvalidUtf8 = "invalid_utf8";
    internal const string InvalidJson = "invalid_json";
    internal const string InvalidCloudEvent = "invalid_cloudevent";
    internal const string DuplicateField = "duplicate_field";
    internal const string UnknownType = "unknown_type";
    internal const string InvalidTimestamp = "invalid_timestamp";
    internal const string InvalidValue = "invalid_value";

    /// <summary>Not an error: the mapping leaves records of this type out. They are counted and not dead-lettered.</summary>
    internal static readonly DecodeError IgnoredType = new("ignored_type", "Mapping:Types ignores this type.");

    internal static DecodeError Missing(string field) => new($"missing_{field}", $"{field} is missing or null; it is required.");

    internal static DecodeError Invalid(string field, string what) => new($"invalid_{field}", $"{field} {what}");

    internal static DecodeError Duplicate(string field) => new(DuplicateField, $"{field} is there more than once; a field may be there once.");
}

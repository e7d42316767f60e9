namespace StreamRec.Kafka;

/// <summary>Where an interaction's fields are in the JSON that producers already send. What is not set is where <c>docs/protocol.md</c> has it.</summary>
/// <remarks>
/// A path is <c>$</c> and up to 16 steps: <c>.name</c>, <c>['any name']</c> or <c>[n]</c>, the first one a name. It begins at the record's value; for a
/// CloudEvent in structured mode at the event, so that <c>$.data.user.id</c> and <c>$.subject</c> can be named.
/// </remarks>
public sealed record MappingOptions
{
    public const string SectionName = "Mapping";

    /// <summary>What stands for a type of ours in <see cref="Types"/>: such records are counted and take no part.</summary>
    public const string Ignore = "ignore";

    /// <summary>Path of the user id; null: <c>$.user_id</c>.</summary>
    public string? User { get; init; }

    /// <summary>Path of the item id; null: <c>$.item_id</c>.</summary>
    public string? Item { get; init; }

    /// <summary>Path of the type; null: <c>$.type</c>.</summary>
    public string? Type { get; init; }

    /// <summary>Path of the time; null: <c>$.timestamp</c>.</summary>
    public string? Time { get; init; }

    /// <summary>Path of the producer's own id of the interaction; null: <c>$.event_id</c>.</summary>
    public string? EventId { get; init; }

    /// <summary>Path of the rating or quantity; null: <c>$.value</c>.</summary>
    public string? Value { get; init; }

    /// <summary>What a number counts that is a time, since 1970: <c>ms</c> or <c>s</c>.</summary>
    public string TimeUnit { get; init; } = "ms";

    /// <summary>The producer's word (letters alike in both cases) and the type of ours that it means, or <see cref="Ignore"/>; at most 1,000.</summary>
    public Dictionary<string, string> Types { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether anything differs from the standard form.</summary>
    public bool IsSet => (User ?? Item ?? Type ?? Time ?? EventId ?? Value) is not null || TimeUnit != "ms" || Types.Count > 0;
}

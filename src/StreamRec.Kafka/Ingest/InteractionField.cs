namespace StreamRec.Kafka.Ingest;

/// <summary>The fields of an interaction, as a set of them.</summary>
[Flags]
internal enum InteractionField
{
    None = 0,
    EventId = 1,
    UserId = 2,
    ItemId = 4,
    Type = 8,
    Timestamp = 16,
    Value = 32,

    /// <summary>The <c>id</c> of a CloudEvents envelope, which fills in for <see cref="EventId"/>.</summary>
    EnvelopeId = 64,

    /// <summary>The <c>time</c> of a CloudEvents envelope, which fills in for <see cref="Timestamp"/>.</summary>
    EnvelopeTime = 128,
}

/// <summary>A field that can be mapped: the setting that does it, and where it is when the setting is absent.</summary>
/// <param name="Field">The field.</param>
/// <param name="Setting">Its key in the section <see cref="MappingOptions.SectionName"/>.</param>
/// <param name="Standard">Its name in the standard form.</param>
/// <param name="PathIn">The path that is set, or null.</param>
internal sealed record MappedField(InteractionField Field, string Setting, string Standard, Func<MappingOptions, string?> PathIn)
{
    internal static readonly IReadOnlyList<MappedField> All =
    [
        new(InteractionField.UserId, nameof(MappingOptions.User), "user_id", static o => o.User),
        new(InteractionField.ItemId, nameof(MappingOptions.Item), "item_id", static o => o.Item),
        new(InteractionField.Type, nameof(MappingOptions.Type), "type", static o => o.Type),
        new(InteractionField.Timestamp, nameof(MappingOptions.Time), "timestamp", static o => o.Time),
        new(InteractionField.EventId, nameof(MappingOptions.EventId), "event_id", static o => o.EventId),
        new(InteractionField.Value, nameof(MappingOptions.Value), "value", static o => o.Value),
    ];

    public bool IsRequired => Field is InteractionField.UserId or InteractionField.ItemId;
}

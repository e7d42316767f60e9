using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>What ingest would make of one record: an interaction, or the reason why there is none.</summary>
/// <param name="Interaction">The interaction, or null.</param>
/// <param name="Code">The dead letter's code, or why the record is left out; null for an interaction.</param>
/// <param name="Message">The same for people.</param>
/// <param name="IsFiltered">A setting leaves the record out; it would not be dead-lettered.</param>
public sealed record TrialResult(Interaction? Interaction, string? Code, string? Message, bool IsFiltered);

/// <summary>Decodes records that come from somewhere else than the topic, exactly as ingest does.</summary>
/// <remarks>Threading: one thread.</remarks>
public sealed class DecodeTrial
{
    private readonly InteractionDecoder _decoder;
    private readonly TimeProvider _time;

    public DecodeTrial(KafkaOptions options, MappingOptions mapping, TimeProvider time)
    {
        _decoder = new InteractionDecoder(options.MaxRecordBytes, mapping, time);
        _time = time;
    }

    /// <summary>The types that meant nothing so far.</summary>
    public UnmatchedTypeCounts UnmatchedTypes => _decoder.UnmatchedTypes;

    /// <summary>Decodes one record that is written now.</summary>
    /// <param name="value">The record's value.</param>
    /// <param name="isStructuredEvent">As if its <c>content-type</c> were <c>application/cloudevents+json</c>.</param>
    public TrialResult Decode(ReadOnlySpan<byte> value, bool isStructuredEvent)
    {
        var headers = new RecordHeaders(null, isStructuredEvent, null, null);
        var error = _decoder.Decode(value, headers, _time.GetUtcNow().ToUnixTimeMilliseconds(), out var interaction);
        return error is null
            ? new TrialResult(interaction.Copy(), null, null, false)
            : new TrialResult(null, error.Code, error.Message, error == DecodeError.IgnoredType);
    }
}

using System.Globalization;
using System.Text;

namespace StreamRec.Kafka.Publish;

/// <summary>Where a letter is in the dead-letter topic; written <c>partition:offset</c>.</summary>
public readonly record struct LetterPosition(int Partition, long Offset)
{
    /// <summary>Reads <c>partition:offset</c>.</summary>
    /// <exception cref="ArgumentException">It is something else.</exception>
    public static LetterPosition Parse(string text) =>
        text.Split(':') is [var partition, var offset]
        && int.TryParse(partition, NumberStyles.None, CultureInfo.InvariantCulture, out var p)
        && long.TryParse(offset, NumberStyles.None, CultureInfo.InvariantCulture, out var o)
            ? new LetterPosition(p, o)
            : throw new ArgumentException($"'{text}' is no place in the dead-letter topic; write partition:offset as 'streamrec dlq list' shows it, such as 2:17.");

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Partition}:{Offset}");
}

/// <summary>A header of a record; the value may be absent.</summary>
public readonly record struct RecordHeader(string Name, byte[]? Value);

/// <summary>A letter as the dead-letter topic has it. What its headers say is not trusted: whatever is absent or malformed is null.</summary>
/// <param name="Position">Where it is.</param>
/// <param name="Key">The record's key, or null.</param>
/// <param name="Value">The record's value, or null.</param>
/// <param name="Headers">All headers, the record's own first.</param>
/// <param name="TimestampMs">The record's timestamp, ms since 1970.</param>
public sealed record StoredLetter(LetterPosition Position, byte[]? Key, byte[]? Value, IReadOnlyList<RecordHeader> Headers, long TimestampMs)
{
    private readonly int _reason = Headers.Select(h => h.Name).ToList().LastIndexOf(ErrorHeaders.Code);

    /// <summary>Why it is here; null for a record that StreamRec did not write.</summary>
    public string? Code => Text(ErrorHeaders.Code);

    /// <summary>The same for people.</summary>
    public string? Message => Text(ErrorHeaders.Message);

    /// <summary>The topic that it came from.</summary>
    public string? Topic => Text(ErrorHeaders.Topic);

    /// <summary>The partition that it came from.</summary>
    public int? Partition => ErrorHeaders.Number(Find(ErrorHeaders.Partition)) is { } number and <= int.MaxValue ? (int)number : null;

    /// <summary>Where it was in that partition.</summary>
    public long? Offset => ErrorHeaders.Number(Find(ErrorHeaders.Offset));

    /// <summary>When it was written.</summary>
    public DateTimeOffset? At =>
        DateTimeOffset.TryParse(Text(ErrorHeaders.At), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    /// <summary>How often the record has failed, this time among them.</summary>
    public long Attempts => ErrorHeaders.Number(Find(ErrorHeaders.Attempts)) ?? 1;

    /// <summary>The size of a value that was too large for the topic; key, value and headers are not here then.</summary>
    public long? OmittedBytes => ErrorHeaders.Number(Find(ErrorHeaders.OmittedBytes));

    /// <summary>The headers that the record had.</summary>
    public IEnumerable<RecordHeader> OwnHeaders => Headers.Take(_reason < 0 ? Headers.Count : _reason);

    private byte[]? Find(string name) => _reason < 0 ? null : Headers.Skip(_reason).FirstOrDefault(h => h.Name == name).Value;

    private string? Text(string name) => Find(name) is { } value ? Encoding.UTF8.GetString(value) : null;
}

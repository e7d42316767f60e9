using System.Globalization;

namespace StreamRec.Kafka.Ingest;

/// <summary>Where a replay of the interactions topic begins.</summary>
/// <remarks><c>earliest</c> · <c>ts=2026-11-20T08:00:00Z</c> · <c>last=7d</c> (s, m, h, d) · <c>offset=1200</c> in every partition · <c>offset=0:1200,3:0</c> in these alone.</remarks>
public sealed record ReplayStart
{
    private const string Forms = "earliest, ts=2026-11-20T08:00:00Z, last=7d (s, m, h or d), offset=1200, or offset=0:1200,3:0 (partition:offset)";

    private ReplayStart()
    {
    }

    /// <summary>Begins at the first record written then or later; ms since 1970, null when the moment does not matter.</summary>
    public long? TimestampMs { get; private init; }

    /// <summary>The offset in every partition, null when they differ or do not matter.</summary>
    public long? Offset { get; private init; }

    /// <summary>The offsets of the partitions that are read; null: all are.</summary>
    public IReadOnlyDictionary<int, long>? Offsets { get; private init; }

    /// <exception cref="ArgumentException">None of the forms.</exception>
    public static ReplayStart Parse(string text, DateTimeOffset now)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var value = text[(equals + 1)..];
        return text[..Math.Max(0, equals)] switch
        {
            "" when text == "earliest" => new ReplayStart(),
            "ts" when DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) =>
                new ReplayStart { TimestampMs = at.ToUnixTimeMilliseconds() },
            "last" when Duration(value) is { } last && last <= now - DateTimeOffset.UnixEpoch =>
                new ReplayStart { TimestampMs = (now - last).ToUnixTimeMilliseconds() },
            "offset" when Number(value) is { } offset => new ReplayStart { Offset = offset },
            "offset" when OffsetsOf(value) is { } offsets => new ReplayStart { Offsets = offsets },
            _ => throw new ArgumentException($"--from is '{text}'; it must be {Forms}."),
        };
    }

    private static TimeSpan? Duration(string text) =>
        text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? text[^1] switch
            {
                's' => TimeSpan.FromSeconds(count),
                'm' => TimeSpan.FromMinutes(count),
                'h' => TimeSpan.FromHours(count),
                'd' when count < TimeSpan.MaxValue.Days => TimeSpan.FromDays(count),
                _ => null,
            }
            : null;

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static Dictionary<int, long>? OffsetsOf(string text)
    {
        var offsets = new Dictionary<int, long>();
        foreach (var pair in text.Split(','))
        {
            if (pair.Split(':') is not [var left, var right] || Number(left) is not (<= int.MaxValue and var partition)
                || Number(right) is not { } offset || !offsets.TryAdd((int)partition, offset))
            {
                return null;
            }
        }

        return offsets;
    }
}

using System.Globalization;
using System.Runtime.CompilerServices;
using StreamRec.Domain;

namespace StreamRec.Server.Http;

/// <summary>One interaction of the journal, for people and other programs.</summary>
/// <param name="Position">Journal position of its segment: with <paramref name="Offset"/> the order in which interactions were applied.</param>
/// <param name="UserId">The user.</param>
/// <param name="ItemId">The item.</param>
/// <param name="Type">In lower case, as on the topic.</param>
/// <param name="Timestamp">ISO 8601, UTC; ms since 1970 where that has no such form, before the year 1 or after 9999.</param>
/// <param name="Value">Null when there is none.</param>
/// <param name="EventId">Null when the producer gave none.</param>
/// <param name="Topic">Where it came from.</param>
/// <param name="Log">As in <see cref="SourcePartition"/>.</param>
/// <param name="Partition">The source partition.</param>
/// <param name="Offset">The offset there.</param>
public sealed record InteractionRow(
    long Position,
    string UserId,
    string ItemId,
    string Type,
    string Timestamp,
    double? Value,
    string? EventId,
    string Topic,
    string Log,
    int Partition,
    long Offset)
{
    private static readonly long FirstTimestamp = DateTimeOffset.MinValue.ToUnixTimeMilliseconds();
    private static readonly long LastTimestamp = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    /// <summary>The journal's interactions in its order, a segment in memory at a time.</summary>
    /// <param name="journal">The journal.</param>
    /// <param name="afterPosition">Only what stands behind this position.</param>
    /// <param name="userId">Only this user's; null: everybody's.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static async IAsyncEnumerable<InteractionRow> ReadAsync(
        IJournal journal, long afterPosition, string? userId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var stored in journal.ReadAsync(afterPosition, null, cancellationToken))
        {
            var segment = stored.Segment;
            if (userId is not null && !segment.Users.Contains(userId))
            {
                continue;
            }

            foreach (var entry in segment.Entries)
            {
                if (userId is null || segment.Users[entry.User] == userId)
                {
                    yield return Of(stored, segment.Users[entry.User], entry, journal.Catalogue);
                }
            }
        }
    }

    private static InteractionRow Of(StoredSegment stored, string userId, SegmentEntry entry, Catalogue catalogue) => new(
        stored.Position,
        userId,
        catalogue[entry.Item].Id,
        entry.Type.ToString().ToLowerInvariant(),
        entry.TimestampMs >= FirstTimestamp && entry.TimestampMs <= LastTimestamp
            ? DateTimeOffset.FromUnixTimeMilliseconds(entry.TimestampMs).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)
            : entry.TimestampMs.ToString(CultureInfo.InvariantCulture),
        double.IsNaN(entry.Value) ? null : entry.Value,
        entry.EventId,
        stored.Source.Topic,
        stored.Source.Log,
        stored.Source.Partition,
        entry.Offset);
}

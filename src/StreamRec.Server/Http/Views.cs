using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Kafka;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Server.Http;

/// <summary>How views are written as JSON, over HTTP and by <c>--json</c>: the same names as on the topics.</summary>
public static class ViewJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };
}

/// <summary>One place of a list, for people and other programs.</summary>
public sealed record ItemView(string ItemId, int Rank, double Score, string Source, string? Title);

/// <summary>A list.</summary>
public sealed record ListView(string UserId, long Sequence, IReadOnlyList<ItemView> Items, string? Model, string? Fallback, DateTimeOffset GeneratedAt)
{
    public static ListView Of(Recommendation list, Catalogue catalogue) => new(
        list.UserId,
        list.Sequence,
        [.. list.Items.Select((item, i) => new ItemView(catalogue[item.Item].Id, i + 1, item.Score, item.Source, catalogue[item.Item].Title))],
        list.Model?.ToString(),
        list.Fallback == Domain.Fallback.None ? null : JsonNamingPolicy.SnakeCaseLower.ConvertName(list.Fallback.ToString()),
        list.GeneratedAt);
}

/// <summary>One retained interaction.</summary>
public sealed record EntryView(string ItemId, string Type, string? Title);

/// <summary>A user's state.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Interactions">How many were ever applied.</param>
/// <param name="LastAt">When the newest happened, by the producer's clock.</param>
/// <param name="Sequence">What is retained, oldest first.</param>
public sealed record UserView(string UserId, long Interactions, DateTimeOffset LastAt, IReadOnlyList<EntryView> Sequence)
{
    public static UserView Of(string userId, long count, long lastTimestampMs, ReadOnlySpan<SequenceEntry> entries, Catalogue catalogue)
    {
        var views = new EntryView[entries.Length];
        for (var i = 0; i < entries.Length; i++)
        {
            var item = catalogue[entries[i].Item];
            views[i] = new EntryView(item.Id, entries[i].Type.ToString().ToLowerInvariant(), item.Title);
        }

        return new UserView(userId, count, DateTimeOffset.FromUnixTimeMilliseconds(lastTimestampMs), views);
    }
}

/// <summary>A partition that stands still because records are gone.</summary>
public sealed record GapView(string Topic, int Partition, long WantedOffset, long AvailableOffset, long MissingOffsets, bool CanBeAccepted, string Message)
{
    public static GapView Of(LogGap gap) => new(
        gap.Source.Topic, gap.Source.Partition, gap.WantedOffset, gap.AvailableOffset, gap.MissingOffsets, gap.CanBeAccepted, gap.Message);
}

/// <summary>A checkpoint with the part it plays.</summary>
public sealed record ModelView(
    string Version, string? Alias, bool Serves, DateTimeOffset Created, int? Parent, IReadOnlyDictionary<string, double> Metrics);

/// <summary>The outcome of an activation or rollback.</summary>
public sealed record SwapView(string Serving, string? Before);

/// <summary>The outcome of a training run.</summary>
public sealed record TrainingView(string? Version, bool Activated, string Reason, double Seconds);

/// <summary>The figures of a running server.</summary>
public sealed record FiguresView(
    long Interactions,
    long Lists,
    long FallbackLists,
    double P50Ms,
    double P99Ms,
    string? Model,
    long Swaps,
    int Waiting,
    int ResidentUsers,
    long? Lag,
    long DeadLetters,
    double HitRate,
    double TransitionsHitRate,
    double PopularityHitRate,
    int Judged,
    string? Training,
    string BootstrapServers)
{
    public static FiguresView Of(Pipeline pipeline)
    {
        var (p50, p99) = pipeline.Figures.Latency();
        var quality = pipeline.Prequential.Figures;
        var ingest = pipeline.Ingest;
        return new FiguresView(
            pipeline.Figures.Interactions,
            pipeline.Figures.Lists,
            pipeline.Figures.Fallbacks,
            Math.Round(p50, 3),
            Math.Round(p99, 3),
            pipeline.Models.Serving?.ToString(),
            pipeline.Figures.Swaps,
            pipeline.Pool.QueueDepth,
            pipeline.Shards.Resident,
            ingest.Partitions.Sum(partition => partition.Lag),
            ingest.DeadLettered.Values.Sum(),
            Math.Round(quality.HitRate, 4),
            Math.Round(quality.TransitionsHitRate, 4),
            Math.Round(quality.PopularityHitRate, 4),
            quality.Window,
            pipeline.Training.Progress is { } progress ? $"epoch {progress.Epoch}, {progress.Share:P0}, loss {progress.Loss:F3}"
                : pipeline.Training.Failure is { } failure ? $"failed: {failure}" : null,
            pipeline.Cluster.BootstrapServers);
    }
}

/// <summary>A type that means nothing here, and how often it came.</summary>
public sealed record TypeView(string Type, long Count);

/// <summary>What became of the records that this server has read.</summary>
/// <param name="Consumed">Interaction records read since the start.</param>
/// <param name="Matched">Those that were interactions.</param>
/// <param name="Filtered">Those that a setting leaves out, by reason.</param>
/// <param name="DeadLettered">Those that cannot be used, by code.</param>
/// <param name="UnmatchedTypes">Types that mean nothing here, the commonest first, at most 100.</param>
/// <param name="OtherUnmatchedTypes">How often all others came.</param>
public sealed record IngestView(
    long Consumed,
    long Matched,
    IReadOnlyDictionary<string, long> Filtered,
    IReadOnlyDictionary<string, long> DeadLettered,
    IReadOnlyList<TypeView> UnmatchedTypes,
    long OtherUnmatchedTypes)
{
    public static IngestView Of(IngestStatus status)
    {
        var (filtered, deadLettered) = (status.Filtered.Values.Sum(), status.DeadLettered.Values.Sum());
        // The counts are read one after another while records stream by.
        var consumed = Math.Max(status.Consumed, filtered + deadLettered);
        return new IngestView(
            consumed, consumed - filtered - deadLettered, status.Filtered, status.DeadLettered, TypesOf(status.UnmatchedTypes), status.UnmatchedTypes.Others);
    }

    /// <summary>The commonest first.</summary>
    public static IReadOnlyList<TypeView> TypesOf(UnmatchedTypeCounts counts) =>
        [.. counts.Words.OrderByDescending(w => w.Value).ThenBy(w => w.Key, StringComparer.Ordinal).Select(w => new TypeView(w.Key, w.Value))];
}

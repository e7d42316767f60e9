using StreamRec.Domain;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class StartOffsetTests
{
    private static readonly SourcePartition Embedded = new("t", "log1", 0);
    private static readonly SourcePartition Kafka = new("t", "", 0);

    [Fact]
    public void Reading_begins_where_the_shard_wants_it()
    {
        Assert.Equal(7, StartOffset.Resolve(Kafka, 7, 3, 10, false, out var gap));
        Assert.Null(gap);
        Assert.Equal(10, StartOffset.Resolve(Embedded, 10, 3, 10, true, out gap));
        Assert.Null(gap);
    }

    [Fact]
    public void A_fresh_partition_of_a_real_Kafka_begins_at_its_oldest_record()
    {
        Assert.Equal(500, StartOffset.Resolve(Kafka, 0, 500, 900, false, out var gap));
        Assert.Null(gap);
    }

    [Fact]
    public void An_embedded_log_that_lost_its_beginning_is_a_gap()
    {
        StartOffset.Resolve(Embedded, 0, 500, 900, true, out var gap);
        Assert.Equal((0, 500, 500), (gap!.WantedOffset, gap.AvailableOffset, gap.MissingOffsets));
    }

    [Fact]
    public void Records_that_expired_before_they_were_read_are_a_gap()
    {
        StartOffset.Resolve(Kafka, 100, 130, 900, false, out var gap);
        Assert.Equal(30, gap!.MissingOffsets);
        Assert.Contains("offset 100 is wanted, the oldest available is 130", gap.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_ends_below_the_wanted_offset_was_recreated()
    {
        StartOffset.Resolve(Kafka, 100, 0, 40, false, out var gap);
        Assert.Equal((100, 40, 0), (gap!.WantedOffset, gap.AvailableOffset, gap.MissingOffsets));
        Assert.Contains("deleted and created again", gap.Message, StringComparison.Ordinal);
    }
}

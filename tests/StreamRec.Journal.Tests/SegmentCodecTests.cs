using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Tests;

public sealed class SegmentCodecTests
{
    [Fact]
    public void Any_segment_survives_packing()
    {
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var segment = Some.Random(random, random.NextInt64(long.MaxValue / 2));

            Some.AssertSame(segment, SegmentCodec.Unpack(Pack(segment), 1));
        }
    }

    [Fact]
    public void Joined_segments_come_apart_as_they_were_also_without_a_user()
    {
        var random = new Random(3);
        for (var i = 0; i < 500; i++)
        {
            var (segments, position) = (new List<StoredSegment>(), 1L);
            for (var n = random.Next(2, 30); n > 0; n--)
            {
                segments.Add(new StoredSegment(
                    position, Some.Partition(), Some.Random(random, segments.Count == 0 ? random.Next(1000) : segments[^1].Segment.NextOffset, 6, () => $"user-{random.Next(9)}")));
                position += random.Next(1, 1000);
            }

            var (joined, members) = SegmentCodec.Join([.. segments.Select(s => (s.Position, s.Segment))]);
            var row = new SegmentRow(segments[0].Position, segments[^1].Position, joined.FirstOffset, joined.NextOffset);
            Check(joined, segments);
            Check(SegmentCodec.Without(joined, "user-3"), [.. segments.Select(s => s with { Segment = SegmentCodec.Without(s.Segment, "user-3") })]);

            void Check(Segment whole, List<StoredSegment> expected)
            {
                using var packed = SegmentCodec.Pack(whole, random.Next(5000), members);
                var read = SegmentCodec.Unpack(packed.Written, row, Some.Partition());
                Assert.Equal(expected.Select(s => s.Position), read.Select(s => s.Position));
                expected.Zip(read).ToList().ForEach(pair => Some.AssertSameContent(pair.First.Segment, pair.Second.Segment));
            }
        }
    }

    [Fact]
    public void Lying_bytes_of_joined_segments_are_corrupt_or_valid_and_nothing_else()
    {
        var random = new Random(6);
        for (var i = 0; i < 20_000; i++)
        {
            var (joined, members) = SegmentCodec.Join([(5, Some.Clicks(10, "a", "b")), (9, Some.Clicks(12, "c")), (12, new Segment(13, 20, 13, [], []))]);
            using var written = SegmentCodec.Pack(joined, members: members);
            var packed = written.Written.ToArray();
            Hostile.Mutate(random, ref packed, seed: 0);
            try
            {
                Assert.Equal(12, SegmentCodec.Unpack(packed, new SegmentRow(5, 12, 10, 20), Some.Partition())[^1].Position);
            }
            catch (JournalCorruptException e)
            {
                Assert.Contains("position 5", e.Message);
            }
        }
    }

    [Fact]
    public void The_widest_values_survive_packing()
    {
        var segment = new Segment(
            0,
            long.MaxValue,
            long.MaxValue,
            ["u", new string('漢', 20_000)],
            [
                new SegmentEntry(1, SequenceEntry.MaxItems - 1, (InteractionType)7, 0, long.MaxValue, double.MaxValue, ""),
                new SegmentEntry(0, 0, InteractionType.Click, long.MaxValue - 1, long.MinValue, double.NegativeInfinity, new string('e', 300)),
            ]);

        Some.AssertSame(segment, SegmentCodec.Unpack(Pack(segment), 1));
    }

    [Fact]
    public void An_interaction_of_a_new_user_with_a_twelve_letter_id_takes_at_most_twenty_bytes()
    {
        var entries = Enumerable.Range(0, 2000)
            .Select(i => new SegmentEntry(i, i * 7919 % 50_000, InteractionType.Click, 1000 + i, 1_700_000_000_000 + i * 3, double.NaN, null)).ToArray();
        var segment = new Segment(1000, 3000, 900, [.. Enumerable.Range(0, 2000).Select(i => $"user{i:d8}")], entries);

        Assert.InRange(Pack(segment).Length, 1, 2000 * 20);
    }

    [Fact]
    public void Every_flipped_byte_is_noticed()
    {
        var packed = Pack(Some.Random(new Random(4), 100));
        foreach (var flip in new[] { 0x01, 0x80, 0xff })
        {
            for (var i = 0; i < packed.Length; i++)
            {
                packed[i] ^= (byte)flip;
                Assert.Contains("position 42", Assert.Throws<JournalCorruptException>(() => SegmentCodec.Unpack(packed, 42)).Message);
                packed[i] ^= (byte)flip;
            }
        }
    }

    [Fact]
    public void Every_truncation_is_noticed()
    {
        var packed = Pack(Some.Random(new Random(4), 100));
        for (var length = 0; length < packed.Length; length++)
        {
            Assert.Throws<JournalCorruptException>(() => SegmentCodec.Unpack(packed.AsSpan(0, length), 1));
            Assert.Throws<JournalCorruptException>(() => SegmentCodec.Mentions(packed.AsSpan(0, length), "u"u8, 1));
        }
    }

    [Fact]
    public void Lying_bytes_under_a_right_checksum_are_corrupt_or_a_valid_segment_and_nothing_else()
    {
        var random = new Random(5);
        for (var i = 0; i < 50_000; i++)
        {
            var packed = Pack(Some.Random(random, random.Next(1000), 20));
            Hostile.Mutate(random, ref packed, seed: 0);
            try
            {
                var segment = SegmentCodec.Unpack(packed, 1);
                Some.AssertSame(segment, SegmentCodec.Unpack(Pack(segment), 1));
            }
            catch (JournalCorruptException e)
            {
                Assert.IsType<MalformedException>(e.InnerException);
            }
        }
    }

    [Fact]
    public void A_lie_about_the_counts_allocates_nothing()
    {
        byte[] packed = [1, 0, 0xff, 0xff, 0xff, 0xff, 0x07, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0, 0, 0, 0];
        Hostile.Seal(packed, seed: 0);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Throws<JournalCorruptException>(() => SegmentCodec.Unpack(packed, 1));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void A_search_finds_exactly_the_users_of_the_dictionary()
    {
        var packed = Pack(Some.Clicks(0, "anna", "bob", "c"));

        Assert.True(SegmentCodec.Mentions(packed, "anna"u8, 1));
        Assert.True(SegmentCodec.Mentions(packed, "c"u8, 1));
        Assert.False(SegmentCodec.Mentions(packed, "ann"u8, 1));
        Assert.False(SegmentCodec.Mentions(packed, "bobc"u8, 1));
    }

    [Fact]
    public void A_segment_that_breaks_a_rule_is_refused_with_the_entry_named()
    {
        var segment = Some.Clicks(10, "a", "b");
        SegmentEntry[] Second(SegmentEntry entry) => [segment.Entries[0], entry];
        var entry = segment.Entries[1];

        Refused(segment with { NextOffset = 9 });
        Refused(segment with { CompletedOffset = 13 });
        Refused(segment with { FirstOffset = -1 });
        Refused(segment with { NextOffset = 11 });
        Refused(segment with { Entries = Second(entry with { User = 2 }) });
        Refused(segment with { Entries = Second(entry with { Item = SequenceEntry.MaxItems }) });
        Refused(segment with { Entries = Second(entry with { Offset = 10 }) });
        Refused(segment with { Entries = Second(entry with { Type = (InteractionType)8 }) });

        static void Refused(Segment wrong) => Assert.Throws<ArgumentException>(() => SegmentCodec.Pack(wrong));
    }

    private static byte[] Pack(Segment segment)
    {
        using var packed = SegmentCodec.Pack(segment);
        return packed.Written.ToArray();
    }
}

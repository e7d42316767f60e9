using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Tests;

public sealed class SequenceCodecTests
{
    private static readonly byte[] UserId = "user-1"u8.ToArray();

    [Fact]
    public void Any_state_survives_packing_in_the_length_foretold()
    {
        var random = new Random(1);
        for (var i = 0; i < 400; i++)
        {
            var sequence = Some.Sequence(random, "user-1", i, withEvents: i % 2 == 0);
            var packed = Pack(sequence);

            Some.AssertSame(sequence, SequenceCodec.Unpack("user-1", UserId, packed));
        }
    }

    [Fact]
    public void A_state_under_another_users_id_is_refused_and_the_id_is_not_in_the_message()
    {
        var packed = Pack(Some.Sequence(new Random(2), "user-1", 20, true));

        var corrupt = Assert.Throws<JournalCorruptException>(() => SequenceCodec.Unpack("user-2", "user-2"u8, packed));

        Assert.DoesNotContain("user-2", corrupt.Message);
        Assert.Contains(SequenceCodec.Fingerprint("user-2"u8), corrupt.Message);
    }

    [Fact]
    public void Every_flipped_byte_and_every_truncation_is_noticed()
    {
        var packed = Pack(Some.Sequence(new Random(3), "user-1", 30, true));
        for (var i = 0; i < packed.Length; i++)
        {
            Assert.Throws<JournalCorruptException>(() => SequenceCodec.Unpack("user-1", UserId, packed.AsSpan(0, i)));
            packed[i] ^= 0x10;
            Assert.Throws<JournalCorruptException>(() => SequenceCodec.Unpack("user-1", UserId, packed));
            packed[i] ^= 0x10;
        }
    }

    [Fact]
    public void Lying_bytes_under_a_right_checksum_are_corrupt_or_a_valid_state_and_nothing_else()
    {
        var random = new Random(4);
        for (var i = 0; i < 50_000; i++)
        {
            var packed = Pack(Some.Sequence(random, "user-1", random.Next(10), random.Next(2) == 0));
            Hostile.Mutate(random, ref packed, PackedWriter.Crc32C(0, UserId));
            try
            {
                var sequence = SequenceCodec.Unpack("user-1", UserId, packed);
                Assert.True(sequence.Entries.Length <= sequence.Count);
            }
            catch (JournalCorruptException e)
            {
                Assert.IsType<MalformedException>(e.InnerException);
            }
        }
    }

    [Fact]
    public void The_checksum_is_the_standard_one()
    {
        Assert.Equal(0xe3069283u, PackedWriter.Crc32C(0, "123456789"u8));
        Assert.Equal(PackedWriter.Crc32C(0, "123456789abc"u8), PackedWriter.Crc32C(PackedWriter.Crc32C(0, "1234"u8), "56789abc"u8));
    }

    private static byte[] Pack(BehaviorSequence sequence)
    {
        var state = new UserState
        {
            UserId = UserId,
            Count = sequence.Count,
            LastTimestampMs = sequence.LastTimestampMs,
            Position = sequence.Position,
            Entries = sequence.Entries,
            RecentEvents = sequence.RecentEvents,
        };
        using var writer = new PackedWriter(SequenceCodec.PackedLength(state));
        SequenceCodec.Pack(state, writer);
        Assert.Equal(SequenceCodec.PackedLength(state), writer.Length);
        return writer.Written.ToArray();
    }
}

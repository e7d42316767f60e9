using System.Buffers.Binary;
using System.Text;

namespace StreamRec.Users;

/// <summary>Where Kafka's Java client, librdkafka's <c>murmur2</c> and our own producers put a key.</summary>
/// <remarks>
/// Source: Apache Kafka, <c>org.apache.kafka.common.utils.Utils.murmur2</c> and <c>BuiltInPartitioner.partitionForKey</c>.
/// librdkafka's default is CRC32 instead, so this is only the first place to look for a user, never the truth.
/// </remarks>
internal static class KafkaPartitioner
{
    /// <summary>The partition of a key, in [0, partitions).</summary>
    public static int PartitionOf(string key, int partitions)
    {
        Span<byte> buffer = stackalloc byte[256];
        var length = Encoding.UTF8.GetByteCount(key);
        var bytes = length <= buffer.Length ? buffer[..length] : new byte[length];
        Encoding.UTF8.GetBytes(key, bytes);
        return (int)(Murmur2(bytes) & 0x7fffffff) % partitions;
    }

    internal static uint Murmur2(ReadOnlySpan<byte> data)
    {
        const uint seed = 0x9747b28c;
        const uint m = 0x5bd1e995;
        const int r = 24;
        var h = seed ^ (uint)data.Length;
        while (data.Length >= 4)
        {
            var k = BinaryPrimitives.ReadUInt32LittleEndian(data) * m;
            k ^= k >> r;
            h = (h * m) ^ (k * m);
            data = data[4..];
        }

        if (data.Length >= 3)
        {
            h ^= (uint)data[2] << 16;
        }

        if (data.Length >= 2)
        {
            h ^= (uint)data[1] << 8;
        }

        if (data.Length >= 1)
        {
            h = (h ^ data[0]) * m;
        }

        h ^= h >> 13;
        h *= m;
        return h ^ (h >> 15);
    }
}

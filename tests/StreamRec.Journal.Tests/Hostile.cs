using System.Buffers.Binary;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Tests;

/// <summary>Bytes that lie and still have the right checksum.</summary>
internal static class Hostile
{
    private static readonly byte[] Extremes = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];

    /// <summary>Overwrites, cuts or inserts a few bytes, then seals.</summary>
    public static void Mutate(Random random, ref byte[] packed, uint seed)
    {
        for (var times = random.Next(1, 5); times > 0; times--)
        {
            var at = random.Next(packed.Length);
            packed = random.Next(6) switch
            {
                0 => packed[..at],
                1 => [.. packed[..at], .. packed[Math.Min(packed.Length, at + random.Next(9))..]],
                2 => [.. packed[..at], .. Enumerable.Range(0, random.Next(12)).Select(_ => Extremes[random.Next(Extremes.Length)]), .. packed[at..]],
                _ => [.. packed[..at], Extremes[random.Next(Extremes.Length)], .. packed[(at + 1)..]],
            };
            if (packed.Length == 0)
            {
                return;
            }
        }

        Seal(packed, seed);
    }

    /// <summary>Sets the checksum at the end right.</summary>
    public static void Seal(byte[] packed, uint seed)
    {
        if (packed.Length >= sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(packed.AsSpan(^sizeof(uint)..), PackedWriter.Crc32C(seed, packed.AsSpan(..^sizeof(uint))));
        }
    }
}

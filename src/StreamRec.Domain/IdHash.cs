using System.Numerics;
using System.Runtime.InteropServices;

namespace StreamRec.Domain;

/// <summary>The hash of ids in UTF-8 for tables in memory.</summary>
public static class IdHash
{
    /// <summary>A hash that nobody can foresee, so that nobody can send ids that all meet: the same bytes have another one in another process.</summary>
    public static int Of(ReadOnlySpan<byte> utf8)
    {
        // The runtime's own keyed hash, over the bytes two by two. An odd one at the end makes at most 256 values of one.
        var hash = string.GetHashCode(MemoryMarshal.Cast<byte, char>(utf8));
        return (utf8.Length & 1) == 0 ? hash : (int)(BitOperations.RotateLeft((uint)hash, 5) ^ (utf8[^1] * 0x9E3779B1u));
    }
}

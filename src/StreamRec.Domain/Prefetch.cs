using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace StreamRec.Domain;

/// <summary>Asks the processor for memory that will be read soon, so that the waits for many places overlap.</summary>
public static class Prefetch
{
    /// <summary>Has the lines fetched that hold a value. Where the processor has no such instruction nothing is done.</summary>
    public static unsafe void Line<T>(ref T value)
        where T : unmanaged
    {
        if (Sse.IsSupported)
        {
            // Should the collector move the value meanwhile, the wrong line is fetched, which costs nothing but time.
            var first = (byte*)Unsafe.AsPointer(ref value);
            Sse.Prefetch0(first);
            if (sizeof(T) > sizeof(ulong))
            {
                Sse.Prefetch0(first + sizeof(T) - 1);
            }
        }
    }
}

using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>
/// The C functions of native/: each returns 0, or 1 with an owned message that <see cref="Check"/> turns into an
/// exception.
/// </summary>
/// <remarks>
/// Signatures repeat those of the .cpp files, in their order. Handle arguments are <see cref="TensorHandle"/>s, so that
/// the marshaller keeps a tensor alive for the length of the call even when another thread disposes it. Results are raw
/// and owned by the caller.
/// </remarks>
internal static partial class Native
{
    internal const string Library = "streamrec_torch";

    // Before the first call of any function: loading needs the environment set first, and a path beside the assembly.
    static Native() => NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, TorchRuntime.Resolve);

    /// <exception cref="TorchException">The status is not 0.</exception>
    internal static void Check(int status, nint error)
    {
        if (status != 0)
            throw new TorchException(TakeString(error) ?? "Out of memory.");
    }

    /// <summary>A managed owner of a result, registered with the innermost scope.</summary>
    /// <exception cref="TorchException">The status is not 0.</exception>
    internal static Tensor Own(int status, nint result, nint error)
    {
        Check(status, error);
        return new Tensor(result);
    }

    /// <summary>Two results at once.</summary>
    /// <exception cref="TorchException">The status is not 0.</exception>
    internal static (Tensor First, Tensor Second) Own(int status, nint first, nint second, nint error)
    {
        Check(status, error);
        return (new Tensor(first), new Tensor(second));
    }

    internal static string? TakeString(nint text)
    {
        if (text == 0)
            return null;
        var copy = Marshal.PtrToStringUTF8(text);
        sr_string_free(text);
        return copy;
    }

    [LibraryImport(Library)]
    internal static partial void sr_tensor_free(nint tensor);

    [LibraryImport(Library)]
    private static partial void sr_string_free(nint text);

    [LibraryImport(Library)]
    internal static partial int sr_version(out int major, out int minor, out int patch, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_live_handles(out long count, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_set_threads(int count, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_get_threads(out int count, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_get_blas(out nint core, out int threads, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_cuda_devices(out int count, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_random_enter(long seed, out nint before, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_random_leave(nint before, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_get_grad_enabled(out int enabled, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_set_grad_enabled(int enabled, out nint error);
}

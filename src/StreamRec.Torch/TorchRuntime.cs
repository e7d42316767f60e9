using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace StreamRec.Torch;

/// <summary>Loads libtorch and answers for the process as a whole. Every member may be called from any thread.</summary>
/// <remarks>
/// Loading happens once, at the first use of anything in this namespace. Debian's OpenBLAS 0.3.21 takes recent AMD CPUs
/// for Haswell; told to use its SkylakeX kernels it computes matrix products about 1.8 times as fast. It reads that
/// wish when it is loaded, so the variable is set first.
/// </remarks>
public static partial class TorchRuntime
{
    private const string CoreTypeVariable = "OPENBLAS_CORETYPE";

    private const string SetupHint =
        "Debian: apt-get install --no-install-recommends libtorch-dev libopenblas0-pthread g++ cmake, then build again.";

    private static readonly Lock Gate = new();
    private static string? _coreType;
    private static nint _library;

    /// <summary>libtorch's version, for example 1.13.1.</summary>
    public static Version Version
    {
        get
        {
            Native.Check(Native.sr_version(out var major, out var minor, out var patch, out var error), error);
            return new Version(major, minor, patch);
        }
    }

    /// <summary>Threads of one operation started from the calling thread.</summary>
    public static int Threads
    {
        get
        {
            Native.Check(Native.sr_get_threads(out var count, out var error), error);
            return count;
        }
    }

    /// <summary>Number of CUDA devices; 0 for a CPU build of libtorch.</summary>
    public static int DeviceCount
    {
        get
        {
            Native.Check(Native.sr_cuda_devices(out var count, out var error), error);
            return count;
        }
    }

    /// <summary>Whether there is a CUDA device.</summary>
    public static bool CudaAvailable => DeviceCount > 0;

    /// <summary>OpenBLAS's kernel family in use, for example SkylakeX; null when libtorch uses another library.</summary>
    public static string? OpenBlasCore
    {
        get
        {
            Native.Check(Native.sr_get_blas(out var core, out _, out var error), error);
            return Native.TakeString(core);
        }
    }

    /// <summary>Threads that OpenBLAS uses; 0 when libtorch uses another library.</summary>
    public static int OpenBlasThreads
    {
        get
        {
            Native.Check(Native.sr_get_blas(out var core, out var threads, out var error), error);
            Native.TakeString(core);
            return threads;
        }
    }

    /// <summary>Native tensors that managed code owns at this moment: what a leak test watches.</summary>
    public static long LiveTensors
    {
        get
        {
            Native.Check(Native.sr_live_handles(out var count, out var error), error);
            return count;
        }
    }

    /// <summary>Loads the library with these options. Later calls only set the threads.</summary>
    /// <exception cref="DllNotFoundException">
    /// The native library or libtorch cannot be loaded; the message says what to install.
    /// </exception>
    public static void Initialize(TorchOptions options)
    {
        lock (Gate)
            _coreType ??= options.OpenBlasCoreType;
        Native.Check(Native.sr_get_threads(out _, out var error), error);
        if (options.Threads != 0)
            SetThreads(options.Threads);
    }

    /// <summary>Sets how many threads one operation may use.</summary>
    /// <remarks>
    /// libtorch's own loops keep a count per calling thread: the new one holds for the calling thread and for threads
    /// that compute for the first time afterwards, so a dedicated worker sets its own budget at its start. Matrix
    /// products (OpenBLAS) have one count for the process.
    /// </remarks>
    /// <param name="count">At least 1.</param>
    public static void SetThreads(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        Native.Check(Native.sr_set_threads(count, out var error), error);
    }

    /// <summary>The runtime's callback for <see cref="Native.Library"/>.</summary>
    internal static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != Native.Library)
            return 0;
        lock (Gate)
        {
            if (_library == 0)
            {
                ChooseBlasKernels();
                _library = Load();
            }

            return _library;
        }
    }

    private static void ChooseBlasKernels()
    {
        var wish = _coreType ?? (Avx512F.IsSupported ? "SkylakeX" : null);
        // Environment.SetEnvironmentVariable does not reach native code; the last argument 0 keeps the user's own choice.
        if (wish is not null && OperatingSystem.IsLinux())
            setenv(CoreTypeVariable, wish, 0);
    }

    private static nint Load()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "libstreamrec_torch.so");
        if (!File.Exists(path))
            throw new DllNotFoundException($"{path} is missing: it is built together with StreamRec.Torch. {SetupHint}");
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (DllNotFoundException e)
        {
            throw new DllNotFoundException($"libtorch cannot be loaded. {SetupHint} The loader says: {e.Message}", e);
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}

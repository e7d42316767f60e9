using System.Reflection;
using System.Runtime.InteropServices;

namespace StreamRec.Kafka;

/// <summary>Binds the managed Kafka client, and our own calls, to the system's librdkafka.</summary>
/// <remarks>
/// The package that carries librdkafka is not used, so the names in the managed assembly are mapped to the system's library.
/// Every type here that touches the client calls <see cref="EnsureLoaded"/> first. Threading: any thread, repeated calls cost nothing.
/// </remarks>
public static class NativeKafka
{
    internal const string Library = "librdkafka";

    private static readonly Lazy<string> LoadedVersion = new(Load);

    /// <summary>Version of the native library, for example <c>2.0.2</c>.</summary>
    /// <exception cref="DllNotFoundException">The library is not installed; the message says how to install it.</exception>
    public static string Version => LoadedVersion.Value;

    /// <summary>Loads the native library.</summary>
    /// <exception cref="DllNotFoundException">The library is not installed; the message says how to install it.</exception>
    public static void EnsureLoaded() => _ = LoadedVersion.Value;

    private static string Load()
    {
        SetResolver(typeof(Confluent.Kafka.Library).Assembly);
        SetResolver(typeof(NativeKafka).Assembly);
        if (!TryLoad(Library, out _))
        {
            throw new DllNotFoundException(
                $"{FileNames(Library)[0]} cannot be loaded. Install it: apt-get install librdkafka1 (Debian, Ubuntu) or librdkafka (other systems).");
        }

        return Confluent.Kafka.Library.VersionString;
    }

    private static void SetResolver(Assembly assembly) =>
        NativeLibrary.SetDllImportResolver(assembly, static (name, _, _) => TryLoad(name, out var handle) ? handle : 0);

    private static bool TryLoad(string name, out nint handle)
    {
        foreach (var file in FileNames(name))
        {
            if (NativeLibrary.TryLoad(file, out handle))
            {
                return true;
            }
        }

        handle = 0;
        return false;
    }

    // Debian's run-time packages install only the versioned names; the bare ones belong to the development packages.
    private static string[] FileNames(string name) => name switch
    {
        Library when OperatingSystem.IsWindows() => ["librdkafka.dll"],
        Library when OperatingSystem.IsMacOS() => ["librdkafka.1.dylib", "librdkafka.dylib"],
        Library => ["librdkafka.so.1"],
        "libdl" => ["libdl.so.2"],
        _ => [],
    };
}

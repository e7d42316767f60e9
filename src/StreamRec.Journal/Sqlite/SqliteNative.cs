using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace StreamRec.Journal.Sqlite;

/// <summary>Finds the system's SQLite and makes it the provider, once per process.</summary>
internal static class SqliteNative
{
    private static readonly Lock Gate = new();
    private static bool _ready;

    private static string[] Names =>
        OperatingSystem.IsWindows() ? ["e_sqlite3", "winsqlite3"]
        : OperatingSystem.IsMacOS() ? ["libsqlite3.dylib", "libe_sqlite3"]
        : ["libsqlite3.so.0", "libe_sqlite3"];

    /// <exception cref="DllNotFoundException">SQLite is not installed; the text says how to install it.</exception>
    public static void Use()
    {
        lock (Gate)
        {
            if (_ready)
            {
                return;
            }

            var provider = typeof(SQLite3Provider_e_sqlite3).Assembly;
            var library = Load(provider, Names);
            NativeLibrary.SetDllImportResolver(provider, (name, _, _) => name == "e_sqlite3" ? library : IntPtr.Zero);
            raw.SetProvider(new SQLite3Provider_e_sqlite3());
            _ready = true;
        }
    }

    internal static IntPtr Load(Assembly assembly, IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, assembly, searchPath: null, out var library))
            {
                return library;
            }
        }

        throw new DllNotFoundException(
            $"SQLite was looked for as {string.Join(", ", names)} and not found. Install it, on Debian: apt-get install libsqlite3-0");
    }
}

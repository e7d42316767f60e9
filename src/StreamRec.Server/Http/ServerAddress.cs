using System.Diagnostics;
using System.Text.Json;

namespace StreamRec.Server.Http;

/// <summary>How other commands on this machine find the running server: <c>server.json</c> in the data directory, readable by its owner only.</summary>
/// <param name="Url">Base address on loopback.</param>
/// <param name="Token">Bearer token for what changes something; new at each start.</param>
/// <param name="ProcessId">The server's process.</param>
/// <param name="BootstrapServers">Where its Kafka is.</param>
public sealed record ServerAddress(Uri Url, string Token, int ProcessId, string BootstrapServers)
{
    /// <summary>Writes the file.</summary>
    public void Write(string dataDirectory)
    {
        var path = PathIn(dataDirectory);
        File.Delete(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var stream = new FileStream(path, options);
        JsonSerializer.Serialize(stream, this, JsonSerializerOptions.Web);
    }

    /// <summary>Removes the file at a graceful stop.</summary>
    public static void Remove(string dataDirectory) => File.Delete(PathIn(dataDirectory));

    /// <summary>The address of a server whose process is alive, or null.</summary>
    public static ServerAddress? Find(string dataDirectory)
    {
        ServerAddress? address;
        try
        {
            address = JsonSerializer.Deserialize<ServerAddress>(File.ReadAllBytes(PathIn(dataDirectory)), JsonSerializerOptions.Web);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException or JsonException)
        {
            // No server, or somebody else's; or one that begins just now, or was killed while it wrote the file.
            return null;
        }

        // 0 and -1 stand for groups of processes: they always look alive.
        return address is { Url: not null, Token: not null, ProcessId: > 0 } && IsAlive(address.ProcessId) ? address : null;
    }

    private static bool IsAlive(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, "server.json");
}

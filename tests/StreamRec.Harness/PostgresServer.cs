using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StreamRec.Harness;

/// <summary>
/// A PostgreSQL cluster of its own on loopback, made for a run of tests or of a benchmark and thrown away. PostgreSQL refuses root, so there it runs as
/// postgres.
/// </summary>
public class PostgresServer : IAsyncDisposable
{
    private static readonly string[] Places = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator), .. DebianBins()];

    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"streamrec-pg-{Guid.NewGuid():N}");
    private int _schemas;

    /// <summary>Why there is no server; null when there is one.</summary>
    public string? Missing { get; private set; }

    public int Port { get; private set; }

    private string Data => Path.Combine(_directory, "data");

    /// <summary>Makes the cluster and starts it, or finds out what is missing.</summary>
    public async ValueTask InitializeAsync()
    {
        if (Find("initdb") is null || Find("pg_ctl") is null || Find("postgres") is null)
        {
            Missing = "PostgreSQL is not installed (apt-get install postgresql).";
            return;
        }

        Directory.CreateDirectory(_directory);
        try
        {
            if (Environment.IsPrivilegedProcess)
            {
                await RunAsync("chown", "postgres", _directory);
            }

            await RunAsServerAsync(Find("initdb")!, "-D", Data, "-N", "-A", "trust", "-U", "streamrec", "-E", "UTF8", "--locale=C");
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            Missing = $"PostgreSQL is installed, but this account may not make a cluster: {e.Message}";
            Directory.Delete(_directory, recursive: true);
            return;
        }

        Port = FreePort();
        await File.AppendAllTextAsync(Path.Combine(Data, "postgresql.conf"), $"listen_addresses = '127.0.0.1'\nport = {Port}\nunix_socket_directories = ''\nmax_connections = 50\n");
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Missing is null)
        {
            await StopAsync("immediate");
            Directory.Delete(_directory, recursive: true);
        }

        GC.SuppressFinalize(this);
    }

    public Task StartAsync() => RunAsServerAsync(Find("pg_ctl")!, "-D", Data, "-w", "-l", Path.Combine(_directory, "log"), "start");

    /// <param name="mode">smart, fast, or immediate: without a checkpoint, as if the machine had lost its power.</param>
    public Task StopAsync(string mode) => RunAsServerAsync(Find("pg_ctl")!, "-D", Data, "-w", "-m", mode, "stop");

    /// <summary>A connection string with a schema of its own for each call.</summary>
    public string NewSchema(int? port = null) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = port ?? Port,
        Username = "streamrec",
        Database = "postgres",
        SearchPath = $"test_{Interlocked.Increment(ref _schemas)}",
        Timeout = 5,
    }.ToString();

    private static IEnumerable<string> DebianBins() =>
        Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")) : [];

    private static string? Find(string program) => Places.Select(place => Path.Combine(place, program)).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static Task RunAsServerAsync(string program, params string[] arguments) => Environment.IsPrivilegedProcess
        ? RunAsync("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", program, .. arguments])
        : RunAsync(program, arguments);

    private static async Task RunAsync(string program, params string[] arguments)
    {
        // Its output stays with the server that it starts, so it is not waited for.
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = false, WorkingDirectory = Path.GetTempPath() })!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
        }
    }
}

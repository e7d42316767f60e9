using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace StreamRec.Harness;

/// <summary>What a command came to.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Errors);

/// <summary>The command <c>streamrec</c> as a process of its own. Disposing kills it if it still runs.</summary>
public sealed partial class StreamRecProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private bool _disposed;

    private StreamRecProcess(ProcessStartInfo start, bool listens)
    {
        Command = $"streamrec {string.Join(' ', start.ArgumentList)}";
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_errors, line.Data);
        _process.Start();
        if (!listens)
        {
            _process.StandardInput.Close();
        }

        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Command { get; }

    public int Id => _process.Id;

    public bool HasExited => _disposed || _process.HasExited;

    /// <summary>Physical memory, in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public string Output => Read(_output);

    public string Errors => Read(_errors);

    /// <summary>Whether this process, and with it each that it starts, was told to ignore SIGINT.</summary>
    public static bool IgnoresInterrupts
    {
        get
        {
            const ulong sigint = 1UL << 1;
            const string ignored = "SigIgn:";
            return File.Exists("/proc/self/status") && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(ignored, StringComparison.Ordinal)) is { } line
                && (ulong.Parse(line.AsSpan(ignored.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & sigint) != 0;
        }
    }

    public static StreamRecProcess Start(params IEnumerable<string> arguments) => new(Starting(arguments), listens: false);

    /// <summary>Starts a command that reads lines.</summary>
    public static StreamRecProcess StartListening(params IEnumerable<string> arguments) => new(Starting(arguments), listens: true);

    /// <summary>Starts the command with one more variable in its environment.</summary>
    public static StreamRecProcess StartWith((string Name, string Value) variable, params IEnumerable<string> arguments)
    {
        var start = Starting(arguments);
        start.Environment[variable.Name] = variable.Value;
        return new StreamRecProcess(start, listens: false);
    }

    /// <summary>Runs a command to its end.</summary>
    public static async Task<CommandResult> RunAsync(params IEnumerable<string> arguments)
    {
        await using var process = Start(arguments);
        var code = await process.ExitAsync();
        return new CommandResult(code, process.Output, process.Errors);
    }

    /// <summary>Writes a line to its standard input.</summary>
    public async Task TellAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>SIGKILL: no chance to finish anything.</summary>
    public void Kill() => _process.Kill();

    /// <summary>SIGTERM, as a service manager sends it.</summary>
    public void Terminate() => Send(15);

    /// <summary>SIGINT, as Ctrl-C sends it.</summary>
    public void Interrupt() => Send(2);

    /// <summary>SIGSTOP: it stands still, as a machine does that is out of memory or of network, until <see cref="Resume"/>.</summary>
    public void Suspend() => Send(19);

    /// <summary>SIGCONT.</summary>
    public void Resume() => Send(18);

    /// <summary>Waits for the end and returns the exit code.</summary>
    public async Task<int> ExitAsync()
    {
        // Not WaitForExitAsync alone: it would also wait for the end of the output, which a killed process may have left to nobody.
        await Eventually.TrueAsync(() => _process.HasExited, $"the end of '{Command}'", Describe);
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    /// <summary>What it has written, for the message of a failed test.</summary>
    public string Describe() => $"{Command}\n{Output}\n{Errors}";

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _process.WaitForExitAsync(CancellationToken.None);
        _disposed = true;
        _process.Dispose();
    }

    private static ProcessStartInfo Starting(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "streamrec.exe" : "streamrec"), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The runtime that runs the tests, wherever it is installed: <root>/shared/Microsoft.NETCore.App/<version>/.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return start;
    }

    private static void Append(StringBuilder text, string? line)
    {
        lock (text)
        {
            if (line is not null)
            {
                text.AppendLine(line);
            }
        }
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }

    private void Send(int signal)
    {
        if (SendSignal(_process.Id, signal) != 0)
        {
            throw new InvalidOperationException($"Signal {signal} cannot be sent to process {_process.Id}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;

namespace StreamRec.Cli.Bench;

/// <summary>This program as another process, so that its processor time and memory are its own and it can be killed. Disposing kills it.</summary>
internal sealed class Child : IAsyncDisposable
{
    private const int LinesKept = 100;

    private readonly Process _process;
    private readonly Channel<string> _output = Lines();
    private readonly Channel<string> _errors = Lines();

    private Child(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Keep(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(_errors, line.Data ?? "");
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>What it has used so far, all threads.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public static Child Start(params IEnumerable<string> arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "streamrec.exe" : "streamrec");
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The runtime that runs this one, wherever it is installed: <root>/shared/Microsoft.NETCore.App/<version>/.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return new Child(new Process { StartInfo = start });
    }

    /// <summary>The next JSON document that it writes, one on a line.</summary>
    /// <exception cref="BenchFailedException">It has ended instead.</exception>
    public async Task<JsonElement> ReadAsync(CancellationToken cancellationToken)
    {
        while (await _output.Reader.WaitToReadAsync(cancellationToken))
        {
            if (_output.Reader.TryRead(out var line) && line.StartsWith('{'))
            {
                using var document = JsonDocument.Parse(line);
                return document.RootElement.Clone();
            }
        }

        throw Ended();
    }

    /// <summary>It was needed and is gone; what it said last is in the message.</summary>
    public BenchFailedException Ended()
    {
        _process.WaitForExit(TimeSpan.FromSeconds(5));
        var errors = new List<string>();
        while (_errors.Reader.TryRead(out var line))
        {
            errors.Add(line);
        }

        return new BenchFailedException($"A process of the benchmark has ended: streamrec {string.Join(' ', _process.StartInfo.ArgumentList)}\n{string.Join('\n', errors)}");
    }

    /// <summary>SIGKILL: no chance to finish anything.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    // Nobody may be reading, and a child must never wait for that: only the newest lines are kept.
    private static Channel<string> Lines() => Channel.CreateBounded<string>(new BoundedChannelOptions(LinesKept)
    {
        FullMode = BoundedChannelFullMode.DropOldest,
        SingleReader = true,
        SingleWriter = true,
        AllowSynchronousContinuations = false,
    });

    private static void Keep(Channel<string> lines, string? line)
    {
        if (line is null)
        {
            lines.Writer.TryComplete();
        }
        else
        {
            lines.Writer.TryWrite(line);
        }
    }
}

using System.Diagnostics;
using System.Text.Json;
using StreamRec.Cli.Bench;

namespace StreamRec.Benchmarks;

/// <summary>A C program of <c>anchors/</c>, compiled on the spot: the raw thing that ours is measured against.</summary>
internal sealed class Anchor : IDisposable
{
    private readonly ScratchDirectory _scratch = new();
    private readonly string _program;

    private Anchor(string name) => _program = _scratch[name];

    /// <summary>Compiles one against a run-time library; which needs no headers.</summary>
    /// <param name="name">The file's name without <c>.c</c>.</param>
    /// <param name="library">File name of the library, for example <c>libpq.so.5</c>.</param>
    /// <param name="package">What provides the library on Debian.</param>
    /// <exception cref="AnchorMissingException">There is no compiler or no library; the message says what to install.</exception>
    public static async Task<Anchor> CompileAsync(string name, string library, string package)
    {
        var anchor = new Anchor(name);
        try
        {
            var source = Path.Combine(AppContext.BaseDirectory, "anchors", $"{name}.c");
            await OutputAsync(new ProcessStartInfo("cc", ["-O2", source, "-o", anchor._program, $"-l:{library}"]), []);
            return anchor;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            anchor.Dispose();
            throw new AnchorMissingException($"The anchor {name} cannot be compiled (apt-get install gcc libc6-dev {package}): {e.Message}", e);
        }
    }

    /// <summary>The program, to be started by somebody else.</summary>
    public ProcessStartInfo Start(params IEnumerable<string> arguments) => new(_program, arguments);

    /// <summary>Runs it; it must say that it did as many items as were asked for.</summary>
    /// <param name="items">How many.</param>
    /// <param name="input">Lines for its standard input.</param>
    /// <param name="arguments">Its command line.</param>
    public async Task<Measurement> RunAsync(long items, IEnumerable<string> input, params IEnumerable<string> arguments)
    {
        var output = await OutputAsync(Start(arguments), input);
        var result = JsonSerializer.Deserialize<Result>(output, JsonSerializerOptions.Web)!;
        return result.Count == items
            ? new Measurement(items, TimeSpan.FromSeconds(result.WallSeconds), TimeSpan.FromSeconds(result.CpuSeconds))
            : throw new BenchFailedException($"The anchor {Path.GetFileName(_program)} did {result.Count:N0} items, not {items:N0}.");
    }

    public void Dispose() => _scratch.Dispose();

    private static async Task<string> OutputAsync(ProcessStartInfo start, IEnumerable<string> input)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        foreach (var line in input)
        {
            await process.StandardInput.WriteLineAsync(line);
        }

        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException(await errors);
    }

    private sealed record Result(
        long Count,
        [property: System.Text.Json.Serialization.JsonPropertyName("wall_s")] double WallSeconds,
        [property: System.Text.Json.Serialization.JsonPropertyName("cpu_s")] double CpuSeconds);
}

/// <summary>What a benchmark is measured against cannot be had here.</summary>
internal sealed class AnchorMissingException(string message, Exception inner) : Exception(message, inner);

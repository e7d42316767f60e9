using System.Diagnostics;
using System.Runtime.InteropServices;

namespace StreamRec.SyscallFaults;

/// <summary>Runs the child under strace, which sees the calls that concern the journal's files and no others.</summary>
internal static class Strace
{
    private static readonly string? Program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, "strace")).FirstOrDefault(File.Exists);

    /// <summary>Why there is none; null when there is.</summary>
    public static string? Missing()
    {
        if (!OperatingSystem.IsLinux() || Program is null)
        {
            return "strace is not installed (apt-get install strace).";
        }

        using var process = Process.Start(Quiet(["-qq", "-f", "-e", "trace=none", "true"]))!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : $"This account may not trace processes: {errors.Trim()}";
    }

    /// <summary>The child's exit code, 137 when it was killed, and the lines that it has written.</summary>
    /// <param name="journal">The journal's file.</param>
    /// <param name="options">What to trace and to inject.</param>
    public static async Task<(int ExitCode, string[] Lines)> RunAsync(string journal, params IEnumerable<string> options)
    {
        string[] files = [journal, journal + "-wal", journal + "-shm"];
        var child = Path.Combine(AppContext.BaseDirectory, typeof(Strace).Assembly.GetName().Name!);
        using var process = Process.Start(Quiet(["-qq", "-f", .. options, .. files.SelectMany(file => new[] { "-P", file }), child, journal]))!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (await errors is { Length: > 0 } text && process.ExitCode != 137)
        {
            throw new InvalidOperationException($"strace or its child ended with {process.ExitCode} and says: {text}");
        }

        // The last line of a killed process may be torn.
        return (process.ExitCode, output.Split('\n')[..^1]);
    }

    private static ProcessStartInfo Quiet(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Program!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        // The runtime that runs this, wherever it is installed: <root>/shared/Microsoft.NETCore.App/<version>/.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return start;
    }
}

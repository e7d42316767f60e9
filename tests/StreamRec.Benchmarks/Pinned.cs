using System.Diagnostics;

namespace StreamRec.Benchmarks;

/// <summary>Processes that compute on one and the same core, so that two sides can be compared.</summary>
internal static class Pinned
{
    private const string Python = "/usr/bin/python3";
    private const string BlasKernels = "OPENBLAS_CORETYPE";

    /// <summary>What a comparison with PyTorch lacks here; null when nothing.</summary>
    public static async Task<string?> MissingAsync()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "taskset pins the processes and there is none here";
        }

        try
        {
            await OutputAsync(Python, null, "-c", "import torch");
            return null;
        }
        catch (InvalidOperationException)
        {
            return "python3-torch is missing (apt-get install --no-install-recommends python3-torch)";
        }
    }

    /// <summary>Standard output of this program with other arguments.</summary>
    public static Task<string> OursAsync(params string[] arguments) => RunAsync(Environment.ProcessPath!, null, arguments);

    /// <summary>Standard output of a Python script; arguments as for the command line, the script first.</summary>
    /// <param name="kernels">OpenBLAS's kernel family; null = what it takes on a machine where nobody has chosen for it.</param>
    /// <param name="arguments">The script and its own.</param>
    /// <exception cref="InvalidOperationException">It failed; its own words are on standard error.</exception>
    public static Task<string> PythonAsync(string? kernels, params string[] arguments) => RunAsync(Python, kernels, arguments);

    private static Task<string> RunAsync(string program, string? kernels, string[] arguments) =>
        OutputAsync("taskset", kernels, ["-c", "0", program, .. arguments]);

    private static async Task<string> OutputAsync(string program, string? kernels, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true };
        start.Environment.Remove(BlasKernels);
        if (kernels is not null)
        {
            start.Environment[BlasKernels] = kernels;
        }

        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }
}

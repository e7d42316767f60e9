using StreamRec.Harness;
using StreamRec.SyscallFaults;

namespace StreamRec.Benchmarks;

/// <summary>
/// Faults at system calls of a journal writer on SQLite: <c>./build.sh bench syscalls [--points 500] [--seed 1]</c>. Not a measurement; it has to
/// find nothing.
/// </summary>
internal static class SyscallBenchmark
{
    /// <returns>0 when nothing was wrong.</returns>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        if (SyscallRun.Missing() is { } missing)
        {
            await Console.Error.WriteLineAsync(missing);
            return 1;
        }

        var points = arguments.Number("--points", 500);
        using var directory = new TempDirectory();
        var report = await SyscallRun.RunAsync(
            _ => Math.Max(1, points / SyscallFault.All.Count), arguments.Number("--seed", 1), directory.Path, Console.WriteLine);
        foreach (var fault in SyscallFault.All)
        {
            Console.WriteLine($"{fault,-22} {report.Reached.GetValueOrDefault(fault),4} times");
        }

        Console.WriteLine($"{report.NotReached} writers ended before their call came, or without noticing it.");
        return Violations.Print(report.Violations);
    }
}

using System.Diagnostics;
using System.Globalization;

namespace StreamRec.Benchmarks;

/// <summary>One timed piece of work: wall clock and the processor time of this whole process, broker included.</summary>
/// <param name="Items">Units of work.</param>
/// <param name="Wall">Elapsed time.</param>
/// <param name="Processor">Time of all threads.</param>
internal sealed record Measurement(long Items, TimeSpan Wall, TimeSpan Processor)
{
    public double PerSecond => Items / Wall.TotalSeconds;

    public double MicrosecondsEach => Processor.TotalMicroseconds / Items;

    /// <summary>Times work that is complete when it returns.</summary>
    public static async Task<Measurement> OfAsync(long items, Func<Task> work)
    {
        using var process = Process.GetCurrentProcess();
        var before = process.TotalProcessorTime;
        var started = Stopwatch.GetTimestamp();
        await work();
        var wall = Stopwatch.GetElapsedTime(started);
        process.Refresh();
        return new Measurement(items, wall, process.TotalProcessorTime - before);
    }

    /// <summary>Prints the median with the smallest and the largest.</summary>
    public static void Print(string name, string unit, IReadOnlyList<Measurement> rounds)
    {
        var rates = rounds.Select(r => r.PerSecond).Order().ToArray();
        var costs = rounds.Select(r => r.MicrosecondsEach).Order().ToArray();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-34} {rates[rates.Length / 2],10:N0} {unit}/s  ({rates[0]:N0} to {rates[^1]:N0})   {costs[costs.Length / 2],6:F2} us CPU each   {rounds.Count} rounds of {rounds[0].Items:N0}"));
    }

    /// <summary>What the figures belong to.</summary>
    public static void PrintMachine()
    {
        var model = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : null;
        Console.WriteLine($"{DateTime.UtcNow:yyyy-MM-dd}, {model ?? "unknown processor"}, {Environment.ProcessorCount} cores, .NET {Environment.Version}, {Server.Pipeline.CodeVersion}");
    }
}

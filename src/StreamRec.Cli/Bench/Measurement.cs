using System.Diagnostics;

namespace StreamRec.Cli.Bench;

/// <summary>One timed piece of work: wall clock and the processor time of this whole process.</summary>
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

    /// <summary>As a rate, with the processor time of each item.</summary>
    public Sample As(string name, string items) => new(name, PerSecond, $"{items}/s", MicrosecondsEach);
}

using System.Diagnostics;
using StreamRec.Domain;

namespace StreamRec.Server;

/// <summary>Counts what passes by, for people who watch: the command line and the HTTP interface read it.</summary>
/// <remarks>Latencies are those of the last <see cref="Window"/> lists. Threading: every member from any thread.</remarks>
public sealed class LiveFigures : IInteractionObserver
{
    private const int Window = 8192;

    private readonly Lock _gate = new();
    private readonly double[] _latencies = new double[Window];
    private long _interactions;
    private long _lists;
    private long _fallbacks;
    private long _swaps;

    /// <inheritdoc/>
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore) =>
        Interlocked.Increment(ref _interactions);

    /// <summary>Counts a published list and its latency.</summary>
    public void Published(Recommendation recommendation)
    {
        var latency = Stopwatch.GetElapsedTime(recommendation.Cause.IngestedAt).TotalMilliseconds;
        if (recommendation.Fallback != Fallback.None)
        {
            Interlocked.Increment(ref _fallbacks);
        }

        lock (_gate)
        {
            _latencies[_lists++ % Window] = latency;
        }
    }

    /// <summary>Counts a swap: a model that takes over from another one.</summary>
    public void Activated(bool takesOver)
    {
        if (takesOver)
        {
            Interlocked.Increment(ref _swaps);
        }
    }

    /// <summary>Interactions applied since the start.</summary>
    public long Interactions => Interlocked.Read(ref _interactions);

    /// <summary>Lists published since the start.</summary>
    public long Lists
    {
        get
        {
            lock (_gate)
            {
                return _lists;
            }
        }
    }

    /// <summary>Lists among them that no model computed.</summary>
    public long Fallbacks => Interlocked.Read(ref _fallbacks);

    /// <summary>Models that took over from another one since the start.</summary>
    public long Swaps => Interlocked.Read(ref _swaps);

    /// <summary>Median and 99th percentile, in milliseconds, from an interaction's arrival in this process to its list's acknowledgement.</summary>
    public (double P50, double P99) Latency()
    {
        double[] sorted;
        lock (_gate)
        {
            sorted = _latencies[..(int)Math.Min(_lists, Window)];
        }

        if (sorted.Length == 0)
        {
            return (0, 0);
        }

        Array.Sort(sorted);
        // The smallest one that at least 99 of 100 do not exceed.
        return (sorted[sorted.Length / 2], sorted[(sorted.Length * 99 + 99) / 100 - 1]);
    }
}

using System.Diagnostics;
using System.Diagnostics.Metrics;
using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>The instruments of the meter <c>StreamRec.Inference</c>.</summary>
internal sealed class InferenceMetrics : IDisposable
{
    private readonly Meter _meter = new("StreamRec.Inference");
    private readonly Histogram<int> _batchSize;
    private readonly Histogram<double> _batchDuration;
    private readonly Histogram<double> _endToEnd;
    private readonly Counter<long> _fallback;

    public InferenceMetrics()
    {
        _batchSize = _meter.CreateHistogram<int>("streamrec.inference.batch.size", "{list}", "Lists computed in one batch");
        _batchDuration = _meter.CreateHistogram<double>("streamrec.inference.duration", "s", "Time of one batch");
        _endToEnd = _meter.CreateHistogram<double>("streamrec.e2e.duration", "s", "From an interaction's arrival to its published list");
        _fallback = _meter.CreateCounter<long>("streamrec.recommendations.fallback", "{list}", "Lists that no model computed");
    }

    public void Batch(int size, TimeSpan duration)
    {
        _batchSize.Record(size);
        _batchDuration.Record(duration.TotalSeconds);
    }

    public void Published(in Cause cause) => _endToEnd.Record(Stopwatch.GetElapsedTime(cause.IngestedAt).TotalSeconds);

    public void FellBack(Fallback why) => _fallback.Add(1, new KeyValuePair<string, object?>("reason", why.ToString()));

    public void Dispose() => _meter.Dispose();
}

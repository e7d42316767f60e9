using System.Diagnostics.Metrics;

namespace StreamRec.Journal;

/// <summary>What the journal says of itself: in, out, queue depth and duration of its one stage, the commit.</summary>
internal sealed class JournalMetrics : IDisposable
{
    public const string MeterName = "StreamRec.Journal";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _commits;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _interactions;
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _joined;
    private readonly Histogram<double> _duration;
    private readonly Histogram<int> _group;

    public JournalMetrics(Func<int> queueDepth)
    {
        _commits = _meter.CreateCounter<long>("streamrec.journal.commits", "{commit}", "Transactions made durable.");
        _failures = _meter.CreateCounter<long>(
            "streamrec.journal.failures", "{commit}", "Transactions that failed; the first one stops the journal.");
        _interactions = _meter.CreateCounter<long>("streamrec.journal.interactions", "{interaction}", "Interactions made durable.");
        _bytes = _meter.CreateCounter<long>("streamrec.journal.bytes", "By", "Packed segments and states made durable.");
        _joined = _meter.CreateCounter<long>("streamrec.journal.joined", "{segment}", "Small segments that share a row now.");
        _duration = _meter.CreateHistogram<double>(
            "streamrec.journal.commit.duration", "s", "From the first statement to the end of the sync.");
        _group = _meter.CreateHistogram<int>(
            "streamrec.journal.commit.group", "{command}", "Appends, saves and others that shared a commit.");
        _meter.CreateObservableGauge("streamrec.journal.queue", queueDepth, "{command}", "Commands that wait for the writer.");
    }

    public void Committed(int commands, long interactions, long bytes, TimeSpan duration)
    {
        _commits.Add(1);
        _interactions.Add(interactions);
        _bytes.Add(bytes);
        _duration.Record(duration.TotalSeconds);
        _group.Record(commands);
    }

    public void Joined(int segments) => _joined.Add(segments);

    public void Failed() => _failures.Add(1);

    public void Dispose() => _meter.Dispose();
}

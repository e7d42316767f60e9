using System.Diagnostics.Metrics;

namespace StreamRec.Users;

/// <summary>The meter <c>StreamRec.Users</c>.</summary>
internal sealed class UsersMetrics : IDisposable
{
    public const string MeterName = "StreamRec.Users";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _in;
    private readonly Counter<long> _applied;
    private readonly Counter<long> _duplicates;
    private readonly Counter<long> _redelivered;
    private readonly Counter<long> _lists;
    private readonly Histogram<double> _turnDuration;

    /// <param name="resident">Users in memory now, all shards together.</param>
    /// <param name="waiting">Batches that wait now, all shards together.</param>
    public UsersMetrics(Func<int> resident, Func<int> waiting)
    {
        _in = _meter.CreateCounter<long>("streamrec.users.in", "{interaction}", "Interactions taken from the mailboxes.");
        _applied = _meter.CreateCounter<long>("streamrec.users.applied", "{interaction}", "Interactions appended to a sequence.");
        _duplicates = _meter.CreateCounter<long>("streamrec.users.duplicates", "{interaction}", "Interactions left out: event id seen before.");
        _redelivered = _meter.CreateCounter<long>("streamrec.users.redelivered", "{interaction}", "Records delivered again below the journal's position.");
        _lists = _meter.CreateCounter<long>("streamrec.users.lists", "{list}", "Lists asked for because of interactions.");
        _turnDuration = _meter.CreateHistogram<double>("streamrec.users.turn.duration", "s", "One turn from the mailbox until its append is issued.");
        _meter.CreateObservableGauge("streamrec.users.resident", resident, "{user}", "Users in memory.");
        _meter.CreateObservableGauge("streamrec.users.waiting", waiting, "{batch}", "Batches that wait in the mailboxes.");
    }

    public void TurnDecided(int taken, int applied, int duplicates, int redelivered, int lists, TimeSpan duration)
    {
        _in.Add(taken);
        _applied.Add(applied);
        _duplicates.Add(duplicates);
        _redelivered.Add(redelivered);
        _lists.Add(lists);
        _turnDuration.Record(duration.TotalSeconds);
    }

    public void Dispose() => _meter.Dispose();
}

using System.Text.Json;
using Microsoft.Extensions.Logging;
using StreamRec.Actors;
using StreamRec.Domain;

namespace StreamRec.Training;

/// <summary>What the trainer is told.</summary>
public abstract record TrainerMessage
{
    /// <summary>Look whether a run is due.</summary>
    internal sealed record Tick : TrainerMessage;

    /// <summary>Start a run now, whatever the triggers say.</summary>
    /// <param name="Reply">Gets the report when the run is over.</param>
    public sealed record TrainNow(Reply<TrainingReport> Reply) : TrainerMessage;
}

/// <summary>Counts interactions for the trainer's trigger.</summary>
public sealed class FreshInteractions : IInteractionObserver
{
    private long _count;

    /// <summary>Interactions since the start of the process, impressions not counted.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <inheritdoc/>
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        if (entry.Type != InteractionType.Impression)
        {
            Interlocked.Increment(ref _count);
        }
    }
}

/// <summary>What people see of the trainer.</summary>
/// <param name="Progress">Of the run that is going on, or null.</param>
/// <param name="Last">The last run's report, or null.</param>
/// <param name="Runs">Runs that have ended.</param>
/// <param name="Failure">Why the newest run failed, or null when it did not.</param>
public sealed record TrainerState(TrainingProgress? Progress, TrainingReport? Last, int Runs, string? Failure = null);

/// <summary>The training actor: waits until enough is new or enough time has passed, then makes a <see cref="TrainingRun"/>.</summary>
/// <remarks>
/// The run has a thread of its own with low priority, so that serving keeps the cores it needs. A failed run changes nothing about
/// what serves: it is logged and shown, and the next trigger tries again.
/// </remarks>
public sealed class Trainer : Actor<TrainerMessage>
{
    private static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(1);

    private readonly TrainingOptions _options;
    private readonly JsonElement _recipe;
    private readonly IJournal _journal;
    private readonly ICheckpoints _checkpoints;
    private readonly IModelFamily _family;
    private readonly Func<IReadOnlyList<UserHistory>, IEvidence> _evidence;
    private readonly FreshInteractions _fresh;
    private readonly Action<TrainerState> _state;
    private readonly string _codeVersion;
    private readonly TimeProvider _time;
    private readonly ILogger<Trainer> _log;
    private long _countAtLastRun;
    private long _lastRunAt;
    private int _runs;

    /// <param name="options">Validated settings.</param>
    /// <param name="recipe">The family's recipe.</param>
    /// <param name="journal">What to train on.</param>
    /// <param name="checkpoints">Where checkpoints go.</param>
    /// <param name="family">What to train.</param>
    /// <param name="evidence">What models stand on besides: counts of the histories given.</param>
    /// <param name="fresh">The trigger's count.</param>
    /// <param name="state">Told at each change; must be quick.</param>
    /// <param name="codeVersion">Written into manifests.</param>
    /// <param name="time">Clock of the trigger.</param>
    /// <param name="log">Log.</param>
    public Trainer(
        TrainingOptions options,
        JsonElement recipe,
        IJournal journal,
        ICheckpoints checkpoints,
        IModelFamily family,
        Func<IReadOnlyList<UserHistory>, IEvidence> evidence,
        FreshInteractions fresh,
        Action<TrainerState> state,
        string codeVersion,
        TimeProvider time,
        ILogger<Trainer> log)
    {
        _options = options;
        _recipe = recipe;
        _journal = journal;
        _checkpoints = checkpoints;
        _family = family;
        _evidence = evidence;
        _fresh = fresh;
        _state = state;
        _codeVersion = codeVersion;
        _time = time;
        _log = log;
    }

    protected override ValueTask PreStartAsync(CancellationToken cancellationToken)
    {
        _lastRunAt = _time.GetTimestamp();
        _countAtLastRun = _fresh.Count;
        Schedule(new TrainerMessage.Tick(), TickPeriod, TickPeriod);
        return ValueTask.CompletedTask;
    }

    protected override async ValueTask ReceiveAsync(TrainerMessage message, CancellationToken cancellationToken)
    {
        switch (message)
        {
            case TrainerMessage.Tick when IsDue():
                await TryRunAsync(static _ => { }, static _ => { }, cancellationToken);
                break;
            case TrainerMessage.TrainNow now:
                await TryRunAsync(report => now.Reply.Send(report), failure => now.Reply.Fail(failure), cancellationToken);
                break;
        }
    }

    // The actor keeps nothing of a run, so a failed one leaves nothing behind that a restart would have to clear.
    private async Task TryRunAsync(Action<TrainingReport> ended, Action<Exception> failed, CancellationToken cancellationToken)
    {
        try
        {
            ended(await RunAsync(cancellationToken));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            _runs++;
            Log.RunFailed(_log, exception, _family.Name);
            _state(new TrainerState(null, null, _runs, exception.Message));
            failed(exception);
        }
    }

    private bool IsDue()
    {
        if (_options.Mode == TrainingMode.Off)
        {
            return false;
        }

        var fresh = _fresh.Count - _countAtLastRun;
        return fresh >= _options.EveryInteractions
            || (fresh >= _options.MinInteractions && _time.GetElapsedTime(_lastRunAt) >= _options.Every);
    }

    private async Task<TrainingReport> RunAsync(CancellationToken cancellationToken)
    {
        // Counted before the journal is read: what arrives meanwhile belongs to the next run.
        _countAtLastRun = _fresh.Count;
        _lastRunAt = _time.GetTimestamp();
        Log.RunStarted(_log, _family.Name);
        var histories = await Histories.ReadAsync(_journal, null, cancellationToken);
        var run = new TrainingRun(_options, _recipe, _journal, _checkpoints, _family, _evidence, _codeVersion, _time);
        var progress = new Progress(this);
        var report = await LowPriorityThread.RunAsync(
            "training", () => run.Run(histories, _options.Seed + _runs, progress, cancellationToken));
        _runs++;
        _state(new TrainerState(null, report, _runs));
        Log.RunEnded(_log, report.Version?.ToString() ?? "nothing", report.Activated, report.Reason, report.Duration.TotalSeconds);
        return report;
    }

    private sealed class Progress(Trainer trainer) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => trainer._state(new TrainerState(value, null, trainer._runs));
    }
}

namespace StreamRec.Actors;

/// <summary>How an actor is spawned.</summary>
public sealed record SpawnOptions
{
    /// <summary>Messages that may wait, 1 or more; then senders wait or are refused.</summary>
    public int MailboxCapacity { get; init; } = 256;

    /// <summary>What happens when the actor throws.</summary>
    public Supervision Supervision { get; init; } = Supervision.Restarting;

    /// <summary>Gives the actor a thread of its own: for one that computes for long or blocks in native code.</summary>
    public bool DedicatedThread { get; init; }
}

/// <summary>All actors of a process: spawns them, hears of failures that nobody below can mend, and stops them in reverse order.</summary>
/// <remarks>Threading: every member from any thread.</remarks>
public sealed class ActorSystem : IAsyncDisposable
{
    private readonly Action<string, Exception> _escalated;
    private readonly Lock _gate = new();
    private readonly List<IActorCell> _cells = [];
    private bool _stopping;
    private long _deadLetters;

    /// <param name="time">Clock of timers and restart pauses.</param>
    /// <param name="escalated">Called with the actor's name and its failure when an actor gives up: stop the host. Must not block or throw.</param>
    public ActorSystem(TimeProvider time, Action<string, Exception> escalated)
    {
        Time = time;
        _escalated = escalated;
    }

    /// <summary>Messages that were in a mailbox when its actor stopped without handling them.</summary>
    public long DeadLetters => Interlocked.Read(ref _deadLetters);

    internal TimeProvider Time { get; }

    /// <summary>Starts an actor. Later spawned ones are stopped earlier: spawn downstream first.</summary>
    /// <param name="name">Unique among the running actors; appears in failures.</param>
    /// <param name="factory">Makes an instance: once now, once for each restart.</param>
    /// <param name="options">Mailbox, supervision, thread.</param>
    /// <exception cref="ArgumentException">A running actor has the name.</exception>
    /// <exception cref="InvalidOperationException">The system is stopping.</exception>
    public ActorRef<TMessage> Spawn<TMessage>(string name, Func<Actor<TMessage>> factory, SpawnOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MailboxCapacity, 1);
        var cell = new ActorCell<TMessage>(name, factory, options, this);
        lock (_gate)
        {
            if (_stopping)
            {
                throw new InvalidOperationException($"Actor '{name}' cannot be spawned: the actor system is stopping.");
            }

            if (_cells.Exists(other => other.Name == name))
            {
                throw new ArgumentException($"An actor named '{name}' is running; names must be unique.", nameof(name));
            }

            _cells.Add(cell);
            cell.Start(options.DedicatedThread);
        }

        return cell.Ref;
    }

    /// <summary>Stops all actors, the last spawned first, each before the next.</summary>
    /// <param name="mode">What happens to messages that wait.</param>
    /// <param name="cancellationToken">Gives up draining: the rest is discarded.</param>
    public async Task StopAsync(StopMode mode, CancellationToken cancellationToken)
    {
        while (TakeLast() is { } cell)
        {
            cell.RequestStop(cancellationToken.IsCancellationRequested ? StopMode.Discard : mode);
            try
            {
                await cell.Completion.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                cell.RequestStop(StopMode.Discard);
                await cell.Completion;
            }
        }
    }

    /// <summary>Stops what still runs, discarding what waits.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(StopMode.Discard, CancellationToken.None);

    internal void Escalate(string actor, Exception failure) => _escalated(actor, failure);

    internal void CountDeadLetters(int count) => Interlocked.Add(ref _deadLetters, count);

    internal void Remove(IActorCell cell)
    {
        lock (_gate)
        {
            _cells.Remove(cell);
        }
    }

    private IActorCell? TakeLast()
    {
        lock (_gate)
        {
            _stopping = true;
            return _cells.Count > 0 ? _cells[^1] : null;
        }
    }
}

using System.Diagnostics.CodeAnalysis;

namespace StreamRec.Actors;

/// <summary>What the system keeps of an actor of any message type.</summary>
internal interface IActorCell
{
    string Name { get; }

    Task Completion { get; }

    void RequestStop(StopMode mode);
}

/// <summary>Runs one actor: takes messages from the mailbox, hands them to the current instance, and carries out the supervision.</summary>
/// <remarks>
/// Invariant: there is one loop and it awaits each call, so an instance never sees two messages at once. The mailbox outlives instances.
/// This is the one place that catches what an actor throws.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "A token source without a timer or wait handle holds nothing to free, and a late stop may still cancel it.")]
internal sealed partial class ActorCell<TMessage> : IActorCell
{
    private readonly Func<Actor<TMessage>> _factory;
    private readonly Supervision _supervision;
    private readonly ActorSystem _system;
    private readonly RestartWindow _restarts;
    private readonly CancellationTokenSource _discard = new();
    private readonly List<TMessage> _messages = [];
    private readonly List<IReply?> _replies = [];
    private readonly List<ITimer> _timers = [];
    private volatile bool _stopRequested;

    public ActorCell(string name, Func<Actor<TMessage>> factory, SpawnOptions options, ActorSystem system)
    {
        Name = name;
        Mailbox = new Mailbox<TMessage>(name, options.MailboxCapacity);
        Ref = new ActorRef<TMessage>(this);
        _factory = factory;
        _supervision = options.Supervision;
        _system = system;
        _restarts = new RestartWindow(options.Supervision, system.Time);
    }

    public string Name { get; }

    public Mailbox<TMessage> Mailbox { get; }

    public ActorRef<TMessage> Ref { get; }

    public Task Completion { get; private set; } = Task.CompletedTask;

    public Exception? Failure { get; private set; }

    public void Start(bool dedicatedThread) =>
        Completion = dedicatedThread ? DedicatedThread.Run(Name, RunAsync) : Task.Run(RunAsync);

    public void RequestStop(StopMode mode)
    {
        _stopRequested = true;
        Mailbox.Close(reason: null);
        if (mode == StopMode.Discard)
        {
            _discard.Cancel();
        }
    }

    public ITimer Schedule(TMessage message, TimeSpan due, TimeSpan period)
    {
        var timer = _system.Time.CreateTimer(_ => Ref.TryTell(message), null, due, period);
        _timers.Add(timer);
        return timer;
    }

    private async Task RunAsync()
    {
        var directive = Directive.Restart;
        while (directive == Directive.Restart)
        {
            var (actor, failure) = await RunInstanceAsync();
            directive = Resolve(failure, out var backoff);
            Failure = await EndInstanceAsync(actor, failure, directive);
            if (failure is null && Failure is not null)
            {
                // Stopped on request, but its last hook threw: nobody else would hear of it.
                directive = Directive.Escalate;
            }

            if (directive == Directive.Restart)
            {
                directive = await PauseAsync(backoff) ? Directive.Restart : Directive.Stop;
            }
        }

        // The mailbox closes before anybody hears of the end: whoever is called back must find this actor gone.
        Mailbox.Close(Failure);
        FailWhatWaits();
        if (directive == Directive.Escalate)
        {
            _system.Escalate(Name, Failure!);
        }

        _system.Remove(this);
    }

    /// <summary>Runs one instance until it is stopped or throws; no instance when already the factory threw.</summary>
    private async Task<(Actor<TMessage>? Actor, Exception? Failure)> RunInstanceAsync()
    {
        Actor<TMessage>? actor = null;
        Exception? failure = null;
        try
        {
            actor = _factory();
            actor.Attach(this);
            await actor.PreStartAsync(_discard.Token);
            await ReceiveUntilStoppedAsync(actor);
        }
        catch (OperationCanceledException) when (_discard.IsCancellationRequested)
        {
            // Asked to stop at once: not a failure.
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        FailReplies(failure);
        foreach (var timer in _timers)
        {
            await timer.DisposeAsync();
        }

        _timers.Clear();
        return (actor, failure);
    }

    private async Task ReceiveUntilStoppedAsync(Actor<TMessage> actor)
    {
        var batching = actor as BatchActor<TMessage>;
        var most = batching?.MaxMessages ?? 1;
        while (!_discard.IsCancellationRequested && await Mailbox.WaitAsync())
        {
            while (!_discard.IsCancellationRequested && Fill(most))
            {
                await (batching is null
                    ? actor.ReceiveAsync(_messages[0], _discard.Token)
                    : batching.ReceiveAsync(_messages, _discard.Token));
                _messages.Clear();
                _replies.Clear();
            }
        }
    }

    private bool Fill(int most)
    {
        while (_messages.Count < most && Mailbox.TryTake(out var envelope))
        {
            _messages.Add(envelope.Message);
            _replies.Add(envelope.Reply);
        }

        return _messages.Count > 0;
    }
}

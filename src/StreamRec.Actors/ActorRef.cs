namespace StreamRec.Actors;

/// <summary>The address of an actor: the only way to reach it. Stays the same when the actor is restarted.</summary>
/// <remarks>Threading: every member from any thread.</remarks>
/// <typeparam name="TMessage">What the actor understands.</typeparam>
public sealed class ActorRef<TMessage>
{
    private readonly ActorCell<TMessage> _cell;

    internal ActorRef(ActorCell<TMessage> cell) => _cell = cell;

    /// <summary>The name it was spawned under.</summary>
    public string Name => _cell.Name;

    /// <summary>Messages that wait.</summary>
    public int Waiting => _cell.Mailbox.Count;

    /// <summary>Completes, never faulted, when the actor has stopped: on request, or because it failed for good.</summary>
    public Task Completion => _cell.Completion;

    /// <summary>Why the actor stopped for good, or null while it runs or when it was stopped on request.</summary>
    public Exception? Failure => _cell.Failure;

    /// <summary>Puts a message into the mailbox; false when there is no room or the actor has stopped (<see cref="Completion"/> tells which).</summary>
    public bool TryTell(TMessage message) => _cell.Mailbox.TryPut(new Envelope<TMessage>(message, null));

    /// <summary>Puts a message into the mailbox, waiting for room: the sender slows down to the actor's pace.</summary>
    /// <exception cref="ActorStoppedException">The actor has stopped.</exception>
    public ValueTask TellAsync(TMessage message, CancellationToken cancellationToken) =>
        _cell.Mailbox.PutAsync(new Envelope<TMessage>(message, null), cancellationToken);

    /// <summary>Tells a message that carries a <see cref="Reply{TReply}"/> and waits for the answer.</summary>
    /// <param name="message">Makes the message around the reply.</param>
    /// <param name="cancellationToken">Gives up waiting; the actor may handle the message all the same.</param>
    /// <exception cref="ActorStoppedException">The actor has stopped before it took the message.</exception>
    /// <exception cref="Exception">What the actor threw while it handled the message, or failed the reply with.</exception>
    public async Task<TReply> AskAsync<TReply>(Func<Reply<TReply>, TMessage> message, CancellationToken cancellationToken)
    {
        var reply = new Reply<TReply>();
        await _cell.Mailbox.PutAsync(new Envelope<TMessage>(message(reply), reply), cancellationToken);
        return await reply.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Stops the actor and waits until it is gone. Stopping twice is allowed; a discarding stop overrules a draining one.</summary>
    /// <param name="mode">What happens to the messages that wait.</param>
    /// <param name="cancellationToken">Gives up waiting; the actor goes on stopping.</param>
    public Task StopAsync(StopMode mode, CancellationToken cancellationToken)
    {
        _cell.RequestStop(mode);
        return _cell.Completion.WaitAsync(cancellationToken);
    }
}

/// <summary>What a stop does with messages that wait in the mailbox.</summary>
public enum StopMode
{
    /// <summary>They are handled first.</summary>
    Drain,

    /// <summary>They are dropped: their asks fail, and the message being handled sees its token cancelled.</summary>
    Discard,
}

/// <summary>The actor is no longer there to be told anything.</summary>
public sealed class ActorStoppedException(string actor, Exception? inner = null)
    : Exception($"Actor '{actor}' has stopped{(inner is null ? "" : $" after a failure: {inner.Message}")}; it takes no more messages.", inner);

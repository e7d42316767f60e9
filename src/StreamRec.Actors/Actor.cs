namespace StreamRec.Actors;

/// <summary>State that one message at a time may touch: what would otherwise need a lock.</summary>
/// <remarks>
/// The kernel calls every member from one logical thread: the next call begins after the previous one has completed.
/// After a failure a fresh instance from the factory takes over (see <see cref="Supervision"/>); the failed instance is never called again
/// except for <see cref="PreRestartAsync"/>. The message that failed is not repeated, what waits in the mailbox stays.
/// </remarks>
/// <typeparam name="TMessage">What the actor understands: usually an abstract record with one sealed record for each kind.</typeparam>
public abstract class Actor<TMessage>
{
    private ActorCell<TMessage>? _cell;

    /// <summary>The address under which this actor is told; available from <see cref="PreStartAsync"/> on.</summary>
    /// <exception cref="InvalidOperationException">The actor was not spawned.</exception>
    protected ActorRef<TMessage> Self => Cell.Ref;

    private ActorCell<TMessage> Cell =>
        _cell ?? throw new InvalidOperationException($"{GetType().Name} is not spawned; use ActorSystem.Spawn and wait for PreStartAsync.");

    /// <summary>Called before the first message of this instance.</summary>
    protected internal virtual ValueTask PreStartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Handles one message. An exception goes to the supervision; a pending ask of this message fails with it.</summary>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Cancelled when the actor is stopped without draining.</param>
    protected internal abstract ValueTask ReceiveAsync(TMessage message, CancellationToken cancellationToken);

    /// <summary>Called on a failed instance before its successor is made: the place to free what the instance owns.</summary>
    protected internal virtual ValueTask PreRestartAsync(Exception reason, CancellationToken cancellationToken) =>
        PostStopAsync(cancellationToken);

    /// <summary>Called once after the last message, whether the actor was stopped or has failed for good.</summary>
    protected internal virtual ValueTask PostStopAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Tells this actor a message when the time has come, and again after each period; ends with this instance.</summary>
    /// <remarks>A tick that finds the mailbox full is left out: the actor has enough to do and the next tick follows.</remarks>
    /// <param name="message">The message.</param>
    /// <param name="due">Time until the first one.</param>
    /// <param name="period">Time between two, or <see cref="Timeout.InfiniteTimeSpan"/> for only one.</param>
    protected ITimer Schedule(TMessage message, TimeSpan due, TimeSpan period) => Cell.Schedule(message, due, period);

    internal void Attach(ActorCell<TMessage> cell) => _cell = cell;
}

/// <summary>An actor that takes all messages that wait, up to a bound, in one turn: for work that is cheaper together.</summary>
/// <typeparam name="TMessage">What the actor understands.</typeparam>
public abstract class BatchActor<TMessage> : Actor<TMessage>
{
    /// <param name="maxMessages">How many messages one turn takes at most, 1 or more.</param>
    protected BatchActor(int maxMessages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessages, 1);
        MaxMessages = maxMessages;
    }

    internal int MaxMessages { get; }

    /// <summary>Handles messages in the order in which they were told. An exception fails the pending asks of all of them.</summary>
    /// <param name="messages">One or more messages; the list is valid only until the call completes.</param>
    /// <param name="cancellationToken">Cancelled when the actor is stopped without draining.</param>
    protected internal abstract ValueTask ReceiveAsync(IReadOnlyList<TMessage> messages, CancellationToken cancellationToken);

    /// <inheritdoc/>
    protected internal sealed override ValueTask ReceiveAsync(TMessage message, CancellationToken cancellationToken) =>
        ReceiveAsync([message], cancellationToken);
}

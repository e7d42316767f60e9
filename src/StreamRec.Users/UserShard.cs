using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using StreamRec.Actors;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>Hosts the user actors of one source partition: a mailbox, one turn at a time, one journal segment a turn.</summary>
/// <remarks>
/// Invariants. (1) Memory is the fold of the segments appended so far, including those not yet durable; it is saved, shown to the observer
/// and turned into lists only when durable. (2) Appends are issued in order, each beginning where the one before ended. (3) After any
/// failure nothing of this instance is used again: the journal decides what happened, the next owner reads it there.
/// Threading: <see cref="OpenAsync"/> before it is spawned, then only the actor's turns; the members marked so are for any thread.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "Semaphores without a wait handle and a token source without a timer hold nothing to free.")]
internal sealed partial class UserShard : BatchActor<ShardMessage>
{
    /// <summary>Requests that may wait besides the batches. They are small; more callers than this wait their turn.</summary>
    public const int MaxRequests = 256;

    // Room for ticks, the finisher's failure and the end. A tick that finds none is left out, and of many that have gathered one counts.
    private const int ControlMessages = 4;

    private readonly ShardContext _context;
    private readonly SourcePartition _source;
    private readonly UsersOptions _options;
    private readonly IJournal _journal;
    private readonly ResidentUsers _residents = new();
    private readonly SemaphoreSlim _depth;
    private readonly SemaphoreSlim _requests = new(MaxRequests);
    private readonly CancellationTokenSource _lifetime = new();
    private PartitionLease _lease = null!;
    private OffsetTracker _tracker = null!;
    private ActorRef<TurnFinisher.Message> _finisher = null!;
    private ActorRef<ShardMessage>? _self;
    private Exception? _failure;
    private int _waitingBatches;
    private int _closing;

    public UserShard(SourcePartition source, ShardContext context)
        : base(context.Options.MailboxBatches + MaxRequests)
    {
        _source = source;
        _context = context;
        _options = context.Options;
        _journal = context.Journal;
        _depth = new SemaphoreSlim(_options.CommitsInFlight);
    }

    /// <summary>The address; from any thread once spawned.</summary>
    public ActorRef<ShardMessage> Ref =>
        _self ?? throw new InvalidOperationException($"Shard {_source} is not spawned; call Spawn after OpenAsync.");

    /// <summary>Users in memory; from any thread.</summary>
    public int Resident => _residents.Count;

    /// <summary>Batches delivered and not yet begun; from any thread.</summary>
    public int WaitingBatches => Volatile.Read(ref _waitingBatches);

    /// <summary>Whether it takes batches; from any thread.</summary>
    public bool IsOpen => Volatile.Read(ref _closing) == 0 && !Ref.Completion.IsCompleted;

    /// <summary>What the journal gave when the shard was opened; from any thread.</summary>
    public PartitionLease Lease => _lease;

    /// <summary>Starts the two actors of the shard after <see cref="OpenAsync"/>.</summary>
    public void Spawn(ActorSystem system)
    {
        // Each open gets names of its own: a shard that was fenced may still be stopping when the partition comes back.
        var name = $"users/{_source}/{_lease.Epoch}";
        _finisher = system.Spawn(
            name + "/finisher",
            () => new TurnFinisher(_source, _options, _context.Lists, _context.Observer, _context.Turns, _depth, Fail),
            new SpawnOptions { MailboxCapacity = _options.CommitsInFlight + MaxRequests, Supervision = Supervision.Stopping });
        _self = system.Spawn(
            name,
            () => this,
            new SpawnOptions
            {
                MailboxCapacity = _options.MailboxBatches + MaxRequests + ControlMessages,
                Supervision = new Supervision { Decide = DecideOverFailure },
            });
    }

    /// <summary>Takes a batch if there is room; from any thread.</summary>
    public bool TryDeliver(InteractionBatch batch)
    {
        if (Interlocked.Increment(ref _waitingBatches) <= _options.MailboxBatches
            && Ref.TryTell(new ShardMessage.Deliver(batch, batch.ReadAt != 0 ? batch.ReadAt : _context.Time.GetTimestamp())))
        {
            return true;
        }

        Interlocked.Decrement(ref _waitingBatches);
        return false;
    }

    /// <summary>Takes no more batches, finishes those delivered, saves, and stops; from any thread. Requests go on being answered till the end.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _closing, 1) == 1)
        {
            await Ref.Completion.WaitAsync(cancellationToken);
            return;
        }

        try
        {
            await Ref.AskAsync<bool>(done => new ShardMessage.Close(done), cancellationToken);
        }
        catch (Exception exception) when (exception is FencedException or ActorStoppedException)
        {
            // Failed before or while it closed: its supervision has dealt with that, and there is nothing left to close.
        }
        finally
        {
            await Ref.StopAsync(StopMode.Discard, CancellationToken.None);
        }
    }

    /// <summary>Asks about a user; from any thread. Requests wait outside the mailbox while too many are in it, so batches always find their room.</summary>
    public async ValueTask<TReply> RequestAsync<TReply>(Func<Reply<TReply>, ShardMessage> message, CancellationToken cancellationToken)
    {
        await _requests.WaitAsync(cancellationToken);
        try
        {
            return await Ref.AskAsync(message, cancellationToken);
        }
        finally
        {
            _requests.Release();
        }
    }

    protected override ValueTask PreStartAsync(CancellationToken cancellationToken)
    {
        // One token for everything that may outlast a turn: appends, saves, the finisher. It ends with the shard, whatever the reason.
        cancellationToken.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _lifetime);
        Schedule(new ShardMessage.Save(Due: true), _options.SaveInterval, _options.SaveInterval);
        return ValueTask.CompletedTask;
    }

    protected override async ValueTask ReceiveAsync(IReadOnlyList<ShardMessage> messages, CancellationToken cancellationToken)
    {
        try
        {
            await HandleAsync(messages, _lifetime.Token);
            await SaveStepAsync(_lifetime.Token);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever broke off here, the first failure is the cause: often the finisher's, which ended the lifetime.
            Fail(exception);
            ExceptionDispatchInfo.Throw(_failure!);
        }
    }

    protected override async ValueTask PostStopAsync(CancellationToken cancellationToken)
    {
        _tracker.Close();
        await _lifetime.CancelAsync();
        await _finisher.StopAsync(StopMode.Discard, cancellationToken);
        _context.Stopped(this, _source, _failure);
    }

    private async ValueTask HandleAsync(IReadOnlyList<ShardMessage> messages, CancellationToken cancellationToken)
    {
        var next = 0;
        while (next < messages.Count)
        {
            ThrowIfFailed();
            switch (messages[next])
            {
                case ShardMessage.Deliver:
                    next = await TurnAsync(messages, next, cancellationToken);
                    break;
                case ShardMessage.UserRequest:
                    next = await AnswerAsync(messages, next, cancellationToken);
                    break;
                case ShardMessage.Save save:
                    if (save.Due && !_saveDue)
                    {
                        _saveDue = true;
                        await CheckLeaseAsync(cancellationToken);
                    }

                    next++;
                    break;
                case ShardMessage.Close close:
                    await FinishAsync(cancellationToken);
                    close.Done.Send(true);
                    next++;
                    break;
                default:
                    next++;
                    break;
            }
        }

        ThrowIfFailed();
    }

    /// <summary>Finishes what was decided, saves every state, and waits for the lists under way as long as it may.</summary>
    private async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        await SaveAllAsync(cancellationToken);
        try
        {
            await _tracker.WhenIdleAsync().WaitAsync(_options.CloseTimeout, _context.Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            _context.Logger.CloseTimedOut(_source, _tracker.Unfinished, _options.CloseTimeout);
        }

        // Once more: now for the completed offset.
        await SaveAllAsync(cancellationToken);
        _context.Logger.ShardClosed(_source, _tracker.Completed);
    }

    /// <summary>Notes the first failure and wakes the shard; from any thread.</summary>
    private void Fail(Exception exception)
    {
        if (Interlocked.CompareExchange(ref _failure, exception, null) is not null)
        {
            return;
        }

        _lifetime.Cancel();
        _self?.TryTell(new ShardMessage.Fail());
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Being fenced concerns this partition only. Anything else leaves the journal's outcome unknown: the host restarts from it.</summary>
    private static Directive DecideOverFailure(Exception failure) =>
        failure is FencedException ? Directive.Stop : Directive.Escalate;
}

/// <summary>What all shards of a node share.</summary>
/// <param name="Options">Settings.</param>
/// <param name="Journal">The durable truth.</param>
/// <param name="Lists">Where lists are asked for.</param>
/// <param name="Observer">Sees every durable interaction.</param>
/// <param name="Offsets">Told the completed offsets.</param>
/// <param name="Time">Clock.</param>
/// <param name="Metrics">The meter.</param>
/// <param name="Logger">The log.</param>
/// <param name="ResidentBound">How many users one shard may keep now.</param>
/// <param name="Leases">The leases of all shards of this node.</param>
/// <param name="Stopped">Told when a shard is gone, with the failure if there was one.</param>
/// <param name="Turns">Arrays for turns.</param>
internal sealed record ShardContext(
    UsersOptions Options,
    IJournal Journal,
    IListRequests Lists,
    IInteractionObserver Observer,
    ICompletedOffsets Offsets,
    TimeProvider Time,
    UsersMetrics Metrics,
    ILogger Logger,
    Func<int> ResidentBound,
    Func<IReadOnlyCollection<PartitionLease>> Leases,
    Action<UserShard, SourcePartition, Exception?> Stopped,
    TurnPool Turns);

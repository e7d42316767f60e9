using StreamRec.Domain;

namespace StreamRec.Journal.Commits;

/// <summary>
/// Something that waits for the writer: applied in a transaction that it shares with others, answered when that is durable.
/// </summary>
internal abstract class WriteCommand
{
    /// <summary>The partition that it concerns, if any.</summary>
    public virtual SourcePartition? Source => null;

    /// <summary>Interactions that a commit of this makes durable.</summary>
    public virtual int Interactions => 0;

    /// <summary>Packed bytes that a commit of this makes durable.</summary>
    public virtual int Bytes => 0;

    /// <summary>Whether overwritten data must be gone from the write-ahead log before the answer.</summary>
    public virtual bool ErasesData => false;

    /// <summary>
    /// The change is durable, but overwritten data is still in the write-ahead log: no answer that says it is gone.
    /// </summary>
    public virtual void RefuseUnerased()
    {
    }

    /// <summary>
    /// Changes the store, or refuses and changes nothing. An exception fails the whole transaction, which may be begun again: then this is
    /// called again.
    /// </summary>
    public abstract void Apply(JournalStore store);

    /// <summary>The transaction is durable: gives the answer or the refusal.</summary>
    public abstract void Acknowledge();

    /// <summary>The transaction failed, or never came to be.</summary>
    public abstract void Fail(Exception exception);
}

/// <summary>A command with an answer.</summary>
internal abstract class WriteCommand<TAnswer> : WriteCommand
{
    private readonly TaskCompletionSource<TAnswer> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TAnswer? _answer;
    private Exception? _refusal;

    /// <summary>Completes from the writer's thread, whose turn it never runs on.</summary>
    public Task<TAnswer> Answered => _answered.Task;

    public bool IsRefused => _refusal is not null;

    public override void Acknowledge()
    {
        if (_refusal is null)
        {
            _answered.TrySetResult(_answer!);
        }
        else
        {
            Fail(_refusal);
        }
    }

    public override void Fail(Exception exception) => _answered.TrySetException(exception);

    protected void Answer(TAnswer answer) => (_answer, _refusal) = (answer, null);

    protected void Refuse(Exception refusal) => _refusal = refusal;

    protected static FencedException Fenced(JournalStore store, PartitionLease lease) =>
        new($"The lease on {lease.Source} has epoch {lease.Epoch}, the newest is {store.EpochOf(lease.Source)}: "
            + "another owner has acquired the partition, or somebody has forgotten one of its users.");
}

using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>Turns finished turns that arrive in any order into the one offset of a partition below which everything is finished.</summary>
/// <remarks>
/// Invariant: the completed offset never passes a turn that is not durable or whose list is neither published nor superseded, so a crash
/// repeats lists and never loses one. A late list only delays it. Bound: a finished turn joins the one before it, so only turns with
/// something open are kept, no more than there are commits and lists under way, however long the oldest of them waits.
/// Threading: <see cref="Begin"/> from the shard, in offset order; the rest from any thread. The port is called under the lock, which keeps
/// its offsets ascending; it does not block.
/// </remarks>
internal sealed class OffsetTracker
{
    private readonly SourcePartition _source;
    private readonly ICompletedOffsets _offsets;
    private readonly Lock _gate = new();
    private readonly LinkedList<Ticket> _unfinished = new();
    private TaskCompletionSource? _idle;
    private long _completed;
    private bool _closed;

    /// <param name="source">The partition.</param>
    /// <param name="completed">Everything below was finished before.</param>
    /// <param name="offsets">Told whenever the completed offset rises.</param>
    public OffsetTracker(SourcePartition source, long completed, ICompletedOffsets offsets)
    {
        _source = source;
        _completed = completed;
        _offsets = offsets;
    }

    /// <summary>Every record below is durable and its list is published or superseded.</summary>
    public long Completed => Volatile.Read(ref _completed);

    /// <summary>Turns of which something is open.</summary>
    public int Unfinished
    {
        get
        {
            lock (_gate)
            {
                return _unfinished.Count;
            }
        }
    }

    /// <summary>Notes a turn; it is finished after one <see cref="Ticket.Finish"/> for its commit and one for each of its lists.</summary>
    public Ticket Begin(long nextOffset, int lists)
    {
        var ticket = new Ticket(this, nextOffset, lists + 1);
        lock (_gate)
        {
            ticket.Place = _unfinished.AddLast(ticket);
        }

        return ticket;
    }

    /// <summary>Completes when no turn is unfinished.</summary>
    public Task WhenIdleAsync()
    {
        lock (_gate)
        {
            if (_unfinished.Count == 0)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    /// <summary>Ends all reporting: the partition may belong to somebody else from now on.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
        }
    }

    private void Finished(Ticket ticket)
    {
        lock (_gate)
        {
            if (ticket.Place!.Previous is { } before)
            {
                before.Value.NextOffset = Math.Max(before.Value.NextOffset, ticket.NextOffset);
            }
            else if (ticket.NextOffset > _completed)
            {
                _completed = ticket.NextOffset;
                if (!_closed)
                {
                    _offsets.Completed(_source, _completed);
                }
            }

            _unfinished.Remove(ticket.Place);
            if (_unfinished.Count == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }
        }
    }

    /// <summary>What is still open of one turn.</summary>
    internal sealed class Ticket
    {
        private readonly OffsetTracker _tracker;
        private int _open;

        public Ticket(OffsetTracker tracker, long nextOffset, int open)
        {
            _tracker = tracker;
            _open = open;
            NextOffset = nextOffset;
            ListFinished = _ => Finish();
        }

        /// <summary>What is completed once this turn is finished and those before it; grows when the next one joins it. Under the tracker's lock.</summary>
        public long NextOffset { get; set; }

        /// <summary>Where it stands among the unfinished ones. Under the tracker's lock.</summary>
        public LinkedListNode<Ticket>? Place { get; set; }

        /// <summary>One delegate for all lists of the turn, so that a list costs no closure.</summary>
        public Action<Recommendation?> ListFinished { get; }

        public void Finish()
        {
            if (Interlocked.Decrement(ref _open) == 0)
            {
                _tracker.Finished(this);
            }
        }
    }
}

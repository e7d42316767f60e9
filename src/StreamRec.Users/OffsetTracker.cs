using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>Turns finished turns that arrive in any order into the one offset of a partition below which everything is finished.</summary>
/// <remarks>
/// Invariant: the completed offset never passes a turn that is not durable or whose list is neither published nor superseded, so a crash
/// repeats lists and never loses one. A late list only delays it. Threading: <see cref="Begin"/> from the shard, in offset order; the rest
/// from any thread. The port is called under the lock, which keeps its offsets ascending; it does not block.
/// </remarks>
internal sealed class OffsetTracker
{
    private readonly SourcePartition _source;
    private readonly ICompletedOffsets _offsets;
    private readonly Lock _gate = new();
    private readonly Queue<Ticket> _unfinished = new();
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

    /// <summary>Turns begun and not yet passed by <see cref="Completed"/>.</summary>
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
            _unfinished.Enqueue(ticket);
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

    private void Advance()
    {
        lock (_gate)
        {
            var before = _completed;
            while (_unfinished.TryPeek(out var oldest) && oldest.IsFinished)
            {
                _unfinished.Dequeue();
                _completed = Math.Max(_completed, oldest.NextOffset);
            }

            if (_unfinished.Count == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }

            if (_completed > before && !_closed)
            {
                _offsets.Completed(_source, _completed);
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

        public long NextOffset { get; }

        /// <summary>One delegate for all lists of the turn, so that a list costs no closure.</summary>
        public Action<Recommendation?> ListFinished { get; }

        public bool IsFinished => Volatile.Read(ref _open) == 0;

        public void Finish()
        {
            if (Interlocked.Decrement(ref _open) == 0)
            {
                _tracker.Advance();
            }
        }
    }
}

using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Journal.Commits;

/// <summary>The one thread that writes: takes everything that waits, commits it in one transaction and answers it all.</summary>
/// <remarks>
/// Group commit without a timer: while a commit runs, the next group gathers by itself. Invariants: an answer is given only when the
/// transaction is durable; a group is committed once, however often it has to be begun; and after a failure that the store does not survive
/// there is neither another write nor another sync.
/// </remarks>
internal sealed class CommitWriter : IAsyncDisposable
{
    /// <summary>After an outage everything waits, and one transaction of all of it would be in memory twice.</summary>
    private const long MaxGroupBytes = 64 << 20;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly JournalStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly JournalMetrics _metrics;
    private readonly Channel<WriteCommand> _queue;
    private readonly int _maxGroup;
    private readonly List<WriteCommand> _group = [];
    private readonly ManualResetEventSlim _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _position;
    private volatile JournalFailedException? _failure;
    private volatile string? _waitsBecause;
    private volatile bool _closed;

    public CommitWriter(JournalStore store, int queueCapacity, TimeProvider time, ILogger logger)
    {
        _store = store;
        _time = time;
        _logger = logger;
        _position = store.Position;
        _maxGroup = queueCapacity;

        // Journal:CommitQueue says why this capacity.
        _queue = Channel.CreateBounded<WriteCommand>(new BoundedChannelOptions(queueCapacity)
        {
            FullMode = BoundedChannelFullMode.Wait,
            SingleReader = true,
            SingleWriter = false,
            AllowSynchronousContinuations = false,
        });
        _metrics = new JournalMetrics(() => _queue.Reader.Count);
        new Thread(Run) { Name = "journal-writer", IsBackground = true }.Start();
    }

    /// <summary>Position of the newest segment that this writer has made durable, or found when it began.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>Why a group has to be begun again, null while all is well.</summary>
    public string? WaitsBecause => _waitsBecause;

    /// <summary>
    /// Waits for room in the queue, then for the commit. Cancelling gives up waiting; what is queued happens all the same.
    /// </summary>
    public async Task<TAnswer> SubmitAsync<TAnswer>(WriteCommand<TAnswer> command, CancellationToken cancellationToken)
    {
        try
        {
            ThrowIfUnusable();
            await _queue.Writer.WriteAsync(command, cancellationToken);
        }
        catch (Exception e)
        {
            command.Fail(e); // Gives its buffer back.
            ThrowIfUnusable();
            throw;
        }

        return await command.Answered.WaitAsync(cancellationToken);
    }

    /// <exception cref="JournalFailedException">A commit failed.</exception>
    /// <exception cref="ObjectDisposedException">The journal is closed.</exception>
    public void ThrowIfUnusable()
    {
        if (_failure is { } failure)
        {
            throw new JournalFailedException(failure.Message, failure);
        }

        ObjectDisposedException.ThrowIf(_closed, typeof(SegmentJournal));
    }

    /// <summary>Refuses what comes, commits what waits unless the store cannot, and ends the thread.</summary>
    public Task StopAsync()
    {
        _closed = true;
        _stopping.Set();
        _queue.Writer.TryComplete();
        return _ended.Task;
    }

    /// <summary>Stops and closes the store.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _store.Dispose();
        _metrics.Dispose();
        _stopping.Dispose();
    }

    private void Run()
    {
        try
        {
            while (TakeGroup())
            {
                CommitGroup();
                AcknowledgeGroup();
                _metrics.Joined(_store.Maintain());
            }

            if (_store.HasMore)
            {
                CommitGroup();
            }
        }
        catch (Exception e)
        {
            Fail(e);
        }

        _ended.SetResult();
    }

    /// <summary>Waits for a command and takes all that have come by then; false when the queue is closed and empty.</summary>
    private bool TakeGroup()
    {
        // The thread is the writer's own, so it may block; an await would move it to the pool, where a sync would block others.
        if (!_queue.Reader.TryPeek(out _) && !_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            return false;
        }

        var bytes = 0L;
        while (_group.Count < _maxGroup && bytes < MaxGroupBytes && _queue.Reader.TryRead(out var command))
        {
            _group.Add(command);
            bytes += command.Bytes;
        }

        return true;
    }

    private void CommitGroup()
    {
        var started = _time.GetTimestamp();
        for (var pause = FirstPause; !TryCommit(); pause = Shorter(2 * pause, LongestPause))
        {
            _stopping.Wait(pause);
        }

        EraseOverwrittenData();
        Volatile.Write(ref _position, _store.Position);
        _metrics.Committed(_group.Count, _group.Sum(c => c.Interactions), _group.Sum(c => c.Bytes), _time.GetElapsedTime(started));
    }

    /// <summary>False: it has to be begun again.</summary>
    private bool TryCommit()
    {
        try
        {
            if (_store.Begin(_group))
            {
                foreach (var command in _group)
                {
                    command.Apply(_store);
                }

                Failpoints.Hit(Failpoint.JournalCommitting);
                _store.Commit();
                Failpoints.Hit(Failpoint.JournalCommitted);
            }
        }
        catch (Exception failure)
        {
            if (!_store.MayBeginAgain(failure))
            {
                _waitsBecause = null;
                throw;
            }

            if (_waitsBecause is null)
            {
                _logger.Waits(failure, _store.Name);
            }

            _waitsBecause = failure.Message;
            if (_closed)
            {
                throw;
            }

            return false;
        }

        if (_waitsBecause is not null)
        {
            _waitsBecause = null;
            _logger.GoesOn(_store.Name);
        }

        return true;
    }

    private void EraseOverwrittenData()
    {
        if (_group.Exists(command => command.ErasesData) && !_store.Erase())
        {
            _group.FindAll(command => command.ErasesData).ForEach(command => command.RefuseUnerased());
        }
    }

    private void AcknowledgeGroup()
    {
        _group.ForEach(command => command.Acknowledge());
        _group.Clear();
    }

    /// <summary>Refuses the group, all that waits and all that comes. The transaction is never tried again.</summary>
    private void Fail(Exception exception)
    {
        if (_waitsBecause is null)
        {
            _logger.Failed(exception, _store.Name);
        }
        else
        {
            _logger.ClosedWaiting(_store.Name);
        }

        _metrics.Failed();
        var failure = new JournalFailedException(
            $"Journal {_store.Name} failed, so whether the last commit is durable is unknown: {exception.Message} "
            + "Reopen it (restart) to recover what is.",
            exception);
        _failure = failure;
        _store.Abandon();
        _queue.Writer.TryComplete();
        do
        {
            _group.ForEach(command => command.Fail(failure));
            _group.Clear();
        }
        while (TakeGroup());
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;
}

using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace StreamRec.Journal.Sqlite;

/// <summary>The one thread that writes: takes everything that waits, commits it in one transaction and answers it all.</summary>
/// <remarks>
/// Group commit without a timer: while a sync runs, the next group gathers by itself. Invariant: an answer is given only after the
/// sync, and after the first failure there is neither another write nor another sync.
/// </remarks>
internal sealed class CommitWriter : IAsyncDisposable
{
    private readonly SqliteStore _store;
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly JournalMetrics _metrics;
    private readonly Channel<WriteCommand> _queue;
    private readonly int _maxGroup;
    private readonly List<WriteCommand> _group = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _position;
    private volatile JournalFailedException? _failure;
    private volatile bool _closed;

    public CommitWriter(SqliteStore store, string path, int queueCapacity, TimeProvider time, ILogger logger)
    {
        _store = store;
        _path = path;
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

    /// <summary>Position of the newest durable segment.</summary>
    public long Position => Volatile.Read(ref _position);

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

        ObjectDisposedException.ThrowIf(_closed, typeof(SqliteJournal));
    }

    /// <summary>Refuses what comes, commits what waits and ends the thread.</summary>
    public Task StopAsync()
    {
        _closed = true;
        _queue.Writer.TryComplete();
        return _ended.Task;
    }

    /// <summary>
    /// Stops and closes the database: after the readers, because the last connection folds the write-ahead log into the file.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _store.Dispose();
        _metrics.Dispose();
    }

    private void Run()
    {
        try
        {
            while (TakeGroup())
            {
                CommitGroup();
                AcknowledgeGroup();
                CheckpointWhenDue();
            }

            CommitLastItems();
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

        while (_group.Count < _maxGroup && _queue.Reader.TryRead(out var command))
        {
            _group.Add(command);
        }

        return true;
    }

    private void CommitGroup()
    {
        var started = _time.GetTimestamp();
        _store.Begin();
        _store.InsertNewItems();
        ApplyCommands();
        _store.WriteChanges();
        _store.Commit();
        EraseOverwrittenData();
        Volatile.Write(ref _position, _store.Position);
        _metrics.Committed(_group.Count, _group.Sum(c => c.Interactions), _group.Sum(c => c.Bytes), _time.GetElapsedTime(started));
    }

    private void ApplyCommands()
    {
        foreach (var command in _group)
        {
            command.Apply(_store);
        }
    }

    private void EraseOverwrittenData()
    {
        if (_group.Exists(command => command.ErasesData) && !_store.TruncateWriteAheadLog())
        {
            _group.FindAll(command => command.ErasesData).ForEach(command => command.RefuseUnerased());
        }
    }

    private void AcknowledgeGroup()
    {
        _group.ForEach(command => command.Acknowledge());
        _group.Clear();
    }

    private void CheckpointWhenDue()
    {
        var heldPages = _store.CheckpointWhenDue();
        if (heldPages > 0)
        {
            _logger.WriteAheadLogHeld(heldPages);
        }
    }

    /// <summary>Numbers that no append has carried to disk.</summary>
    private void CommitLastItems()
    {
        if (_store.HasNewItems)
        {
            CommitGroup();
        }
    }

    /// <summary>Refuses the group, all that waits and all that comes. The transaction is never tried again.</summary>
    private void Fail(Exception exception)
    {
        _logger.Failed(exception, _path);
        _metrics.Failed();
        var failure = new JournalFailedException(
            $"Journal {_path} failed, so whether the last commit is on disk is unknown: {exception.Message} "
            + "Reopen it (restart) to recover what is.",
            exception);
        _failure = failure;
        _store.LeaveWriteAheadLog();
        _queue.Writer.TryComplete();
        do
        {
            _group.ForEach(command => command.Fail(failure));
            _group.Clear();
        }
        while (TakeGroup());
    }
}

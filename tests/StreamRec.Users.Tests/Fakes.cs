using System.Text;
using StreamRec.Domain;

namespace StreamRec.Users.Tests;

/// <summary>Inference as the users stage sees it: a bounded number of waiting requests, the newest of a user supersedes.</summary>
internal sealed class FakeLists(Changes changes) : IListRequests
{
    private readonly Lock _gate = new();
    private readonly List<ListRequest> _waiting = [];
    private int _blocked;

    /// <summary>Every request ever posted, in order.</summary>
    public List<ListRequest> Posted { get; } = [];

    /// <summary>Every request whose list was published, in order.</summary>
    public List<ListRequest> Published { get; } = [];

    public bool PublishAtOnce { get; set; } = true;

    public int Capacity { get; set; } = int.MaxValue;

    public Exception? FailNext { get; set; }

    public int Blocked => Volatile.Read(ref _blocked);

    public int PostedCount
    {
        get
        {
            lock (_gate)
            {
                return Posted.Count;
            }
        }
    }

    public async ValueTask PostAsync(ListRequest request, CancellationToken cancellationToken)
    {
        if (FailNext is { } failure)
        {
            FailNext = null;
            throw failure;
        }

        while (!TryTake(request))
        {
            Interlocked.Increment(ref _blocked);
            changes.Notify();
            await changes.WaitAsync(HasRoom).WaitAsync(cancellationToken);
            Interlocked.Decrement(ref _blocked);
        }

        changes.Notify();
    }

    /// <summary>Publishes the waiting request at an index; false when there is none.</summary>
    public bool Publish(int index = 0)
    {
        ListRequest request;
        lock (_gate)
        {
            if (index >= _waiting.Count)
            {
                return false;
            }

            request = _waiting[index];
            _waiting.RemoveAt(index);
            Published.Add(request);
        }

        request.Completed(null);
        changes.Notify();
        return true;
    }

    public void PublishAll()
    {
        while (Publish())
        {
            // Until nothing waits.
        }
    }

    /// <summary>A crash: what waits is never heard of again.</summary>
    public void Crash()
    {
        lock (_gate)
        {
            _waiting.Clear();
        }
    }

    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    private bool HasRoom()
    {
        lock (_gate)
        {
            return PublishAtOnce || _waiting.Count < Capacity;
        }
    }

    private bool TryTake(ListRequest request)
    {
        ListRequest? superseded = null;
        lock (_gate)
        {
            if (PublishAtOnce)
            {
                Posted.Add(request);
                Published.Add(request);
                superseded = request;
            }
            else
            {
                var index = request.Supersedes ? _waiting.FindIndex(other => other.UserId == request.UserId && other.Supersedes) : -1;
                if (index >= 0)
                {
                    superseded = _waiting[index];
                    _waiting[index] = request;
                }
                else if (_waiting.Count < Capacity)
                {
                    _waiting.Add(request);
                }
                else
                {
                    return false;
                }

                Posted.Add(request);
            }
        }

        superseded?.Completed(null);
        return true;
    }
}

/// <summary>Writes down what it is shown.</summary>
internal sealed class FakeObserver : IInteractionObserver
{
    public List<(string UserId, SequenceEntry Entry, SequenceEntry[] Before)> Seen { get; } = [];

    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        lock (Seen)
        {
            Seen.Add((Encoding.UTF8.GetString(userId), entry, historyBefore.ToArray()));
        }
    }
}

/// <summary>The newest completed offset of each partition; notes when one goes back.</summary>
internal sealed class FakeOffsets(Changes changes) : ICompletedOffsets
{
    private readonly Dictionary<SourcePartition, long> _completed = [];

    public List<string> Violations { get; } = [];

    public void Completed(SourcePartition source, long nextOffset)
    {
        lock (_completed)
        {
            if (nextOffset <= _completed.GetValueOrDefault(source, -1))
            {
                Violations.Add($"{source} went from {_completed[source]} to {nextOffset}");
            }

            _completed[source] = nextOffset;
        }

        changes.Notify();
    }

    /// <summary>0 when nothing was ever completed.</summary>
    public long Of(SourcePartition source)
    {
        lock (_completed)
        {
            return _completed.GetValueOrDefault(source);
        }
    }

    /// <summary>A new consumer counts from where it reads.</summary>
    public void Restart()
    {
        lock (_completed)
        {
            _completed.Clear();
        }
    }
}

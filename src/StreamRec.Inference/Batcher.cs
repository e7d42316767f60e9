using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>The queue before the workers: whoever is free takes what waits, at once; nobody waits for a batch to fill.</summary>
/// <remarks>
/// Invariants. (1) A user is in at most one running batch, so a newer list can never be published before an older one.
/// (2) A superseding request takes the place of the user's waiting superseding one and needs no room, so a hot user costs one place.
/// (3) At most <c>capacity</c> requests wait; <see cref="PostAsync"/> then waits for room, which pushes back through shard and ingest.
/// (4) Users take turns, and one who asks many times gets at most an eighth of a batch in which others wait.
/// Callbacks of superseded requests run outside the lock.
/// </remarks>
internal sealed class Batcher : IDisposable
{
    private const int UsersShare = 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, User> _users = new(StringComparer.Ordinal);
    private readonly Queue<User> _ready = new();
    private readonly SemaphoreSlim _room;
    private readonly SemaphoreSlim _work = new(0);
    private bool _completed;

    public Batcher(int capacity) => _room = new SemaphoreSlim(capacity, capacity);

    /// <summary>Users that wait now.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _ready.Count;
            }
        }
    }

    /// <summary>Queues a request, waiting for room when the queue is full.</summary>
    public async ValueTask PostAsync(ListRequest request, CancellationToken cancellationToken)
    {
        if (TryJoin(request, hasRoom: false))
        {
            return;
        }

        await _room.WaitAsync(cancellationToken);
        if (TryJoin(request, hasRoom: true))
        {
            return;
        }

        _room.Release();
        throw new InvalidOperationException("The inference pool has stopped; no list can be asked for any more.");
    }

    /// <summary>Blocks until something waits, then takes up to <paramref name="maxRequests"/> requests; false once stopped and empty.</summary>
    public bool Take(List<ListRequest> batch, int maxRequests)
    {
        batch.Clear();
        while (true)
        {
            _work.Wait();
            lock (_gate)
            {
                while (batch.Count < maxRequests && _ready.TryDequeue(out var user))
                {
                    // A user's requests go together and in order; what the batch has no room for waits for its end.
                    var isAlone = batch.Count == 0 && _ready.Count == 0;
                    var share = isAlone ? maxRequests : Math.Max(1, maxRequests / UsersShare);
                    var count = Math.Min(user.Pending.Count, Math.Min(share, maxRequests - batch.Count));
                    batch.AddRange(user.Pending.GetRange(0, count));
                    user.Pending.RemoveRange(0, count);
                    _room.Release(count);
                    user.Running = true;
                }

                if (_ready.Count > 0 || _completed)
                {
                    _work.Release();
                }

                if (batch.Count > 0)
                {
                    return true;
                }

                if (_completed)
                {
                    return false;
                }
            }
        }
    }

    /// <summary>Ends a batch: what its users have asked for meanwhile may run now.</summary>
    public void Done(IReadOnlyList<ListRequest> batch)
    {
        lock (_gate)
        {
            foreach (var request in batch)
            {
                if (!_users.TryGetValue(request.UserId, out var user) || !user.Running)
                {
                    continue;
                }

                user.Running = false;
                if (user.Pending.Count == 0)
                {
                    _users.Remove(request.UserId);
                }
                else
                {
                    Enqueue(user);
                }
            }
        }
    }

    /// <summary>No request is accepted any more; the workers finish what waits.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completed = true;
            _work.Release();
        }
    }

    public void Dispose()
    {
        _room.Dispose();
        _work.Dispose();
    }

    // Taking a waiting request's place needs no room; everything else needs a unit, taken by the caller.
    private bool TryJoin(ListRequest request, bool hasRoom)
    {
        ListRequest? superseded = null;
        lock (_gate)
        {
            if (_completed)
            {
                return false;
            }

            _users.TryGetValue(request.UserId, out var user);
            if (user is not null && user.TrySupersede(request, out superseded))
            {
                if (hasRoom)
                {
                    _room.Release();
                }
            }
            else if (!hasRoom)
            {
                return false;
            }
            else
            {
                if (user is null)
                {
                    _users[request.UserId] = user = new User();
                }

                user.Pending.Add(request);
                if (!user.Running && user.Pending.Count == 1)
                {
                    Enqueue(user);
                }
            }
        }

        superseded?.Completed(null);
        return true;
    }

    private void Enqueue(User user)
    {
        _ready.Enqueue(user);
        if (_ready.Count == 1)
        {
            _work.Release();
        }
    }

    private sealed class User
    {
        /// <summary>In the order of arrival.</summary>
        public List<ListRequest> Pending { get; } = new(1);

        public bool Running { get; set; }

        /// <summary>Takes the place of the newest waiting request when both are superseding ones.</summary>
        public bool TrySupersede(ListRequest request, out ListRequest? superseded)
        {
            superseded = null;
            if (!request.Supersedes || Pending.Count == 0 || !Pending[^1].Supersedes)
            {
                return false;
            }

            superseded = Pending[^1];
            Pending[^1] = request;
            return true;
        }
    }
}

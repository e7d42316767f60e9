using System.Runtime.CompilerServices;
using StreamRec.Domain;

namespace StreamRec.Users.Tests;

/// <summary>A journal in memory that holds its callers to the contract and can hold or fail chosen appends.</summary>
/// <remarks>
/// Strict: epochs and positions are checked, and every saved state is compared with the fold of the durable segments up to its position,
/// so saving ahead of durability, or folding less than was claimed, fails the test that does it. It outlives the shards of a test, as a
/// disk outlives a process.
/// </remarks>
internal sealed class FakeJournal(Changes changes) : IJournal
{
    private readonly Lock _gate = new();
    private readonly Dictionary<SourcePartition, PartitionLease> _leases = [];
    private readonly Dictionary<SourcePartition, long> _issued = [];
    private readonly List<StoredSegment> _segments = [];
    private readonly Dictionary<string, BehaviorSequence> _saved = new(StringComparer.Ordinal);
    private readonly LinkedList<PendingAppend> _pending = [];
    private readonly HashSet<string> _forgotten = [];
    private readonly List<BehaviorSequence[]> _saving = [];
    private long _position;

    public string? WaitsBecause => null;

    public Catalogue Catalogue { get; } = new();

    public bool IsShared { get; init; }

    public int MaxSequence { get; init; } = 1024;

    /// <summary>While set, appends wait for <see cref="ReleaseAppend"/>.</summary>
    public bool HoldAppends { get; set; }

    /// <summary>While set, saves wait for it.</summary>
    public Task SaveGate { get; set; } = Task.CompletedTask;

    public Exception? FailNextAppend { get; set; }

    public Exception? FailNextSave { get; set; }

    /// <summary>What the strict checks found: asserted empty at the end of each test.</summary>
    public List<string> Violations { get; } = [];

    public int AppendsIssued { get; private set; }

    public int Loads { get; private set; }

    public int ItemAdditions { get; private set; }

    public int LeaseChecks { get; private set; }

    public List<int> SaveSizes { get; } = [];

    public IReadOnlyList<StoredSegment> Segments
    {
        get
        {
            lock (_gate)
            {
                return [.. _segments];
            }
        }
    }

    public int Pending
    {
        get
        {
            lock (_gate)
            {
                return _pending.Count;
            }
        }
    }

    public PartitionLease LeaseOf(SourcePartition source)
    {
        lock (_gate)
        {
            return _leases[source];
        }
    }

    public BehaviorSequence? Saved(string userId)
    {
        lock (_gate)
        {
            return _saved.GetValueOrDefault(userId) is { } state ? Copy(state) : null;
        }
    }

    /// <summary>Makes the oldest held append durable.</summary>
    public bool ReleaseAppend() => SettleOldest(durable: true);

    /// <summary>What a crash does: each append under way is durable or not, and after the first that is not, none is.</summary>
    public void Crash(Random random)
    {
        while (random.Next(2) == 0 && SettleOldest(durable: true))
        {
            // One more became durable before the end.
        }

        while (SettleOldest(durable: false))
        {
            // The rest is lost.
        }

        lock (_gate)
        {
            foreach (var (source, lease) in _leases)
            {
                _issued[source] = lease.NextOffset;
            }
        }
    }

    /// <summary>Fails the oldest held append; what was issued after it is refused, because its position is never reached.</summary>
    public void Lose(Exception failure)
    {
        lock (_gate)
        {
            var first = _pending.First!.Value;
            first.Done.TrySetException(failure);
            foreach (var later in _pending.Skip(1))
            {
                later.Done.TrySetException(new FencedException("the position was not reached"));
            }

            _pending.Clear();
        }
    }

    public ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new([.. _leases.Values
                .Where(lease => _segments.Exists(stored => stored.Source == lease.Source && stored.Position > lease.FoldedPosition))
                .Select(lease => lease.Source)]);
        }
    }

    public ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            ItemAdditions++;
            foreach (var id in itemIds)
            {
                Catalogue.Add(id);
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<PartitionLease> AcquireAsync(SourcePartition source, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var before = _leases.GetValueOrDefault(source) ?? new PartitionLease(source, 0, 0, 0, 0);
            var lease = before with { Epoch = before.Epoch + 1 };
            _leases[source] = lease;
            _issued[source] = lease.NextOffset;
            return ValueTask.FromResult(lease);
        }
    }

    public ValueTask<long> AppendAsync(PartitionLease lease, Segment segment, CancellationToken cancellationToken)
    {
        PendingAppend append;
        lock (_gate)
        {
            CheckEpoch(lease);
            if (segment.FirstOffset != _issued[lease.Source])
            {
                throw new FencedException($"segment begins at {segment.FirstOffset}, the position is {_issued[lease.Source]}");
            }

            Check(segment.NextOffset > segment.FirstOffset, "a segment must move the position");
            Check(segment.CompletedOffset <= segment.FirstOffset, $"completed {segment.CompletedOffset} beyond {segment.FirstOffset}");
            Check(segment.Users.Distinct().Count() == segment.Users.Count, "users are distinct");
            Check(segment.Entries.Zip(segment.Entries.Skip(1)).All(pair => pair.First.Offset < pair.Second.Offset), "offsets ascend");
            Check(
                segment.Entries.All(entry => entry.Offset >= segment.FirstOffset && entry.Offset < segment.NextOffset),
                "offsets lie within the segment");
            AppendsIssued++;
            if (FailNextAppend is { } failure)
            {
                FailNextAppend = null;
                return ValueTask.FromException<long>(failure);
            }

            _issued[lease.Source] = segment.NextOffset;
            append = new PendingAppend(lease, Copy(segment), new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));
            _pending.AddLast(append);
        }

        if (!HoldAppends)
        {
            SettleOldest(durable: true);
        }

        changes.Notify();
        return new ValueTask<long>(append.Done.Task);
    }

    // The lists are the caller's again when the append has ended.
    private static Segment Copy(Segment segment) => segment with { Users = [.. segment.Users], Entries = [.. segment.Entries] };

    public ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(
        IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        BehaviorSequence?[] states;
        lock (_gate)
        {
            Loads++;
            Check(userIds.Count > 0 && userIds.Distinct().Count() == userIds.Count, "users to load are distinct and some");
            states = [.. userIds.Select(id => _saved.GetValueOrDefault(id) is { } state ? Copy(state) : null)];
        }

        changes.Notify();
        return ValueTask.FromResult<IReadOnlyList<BehaviorSequence?>>(states);
    }

    public async ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken)
    {
        Assert.Equal(MaxSequence, maxSequence);
        await Task.Yield();
        lock (_gate)
        {
            Loads++;
            return FoldOf(userId) is { Count: > 0 } state ? state : null;
        }
    }

    public ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            LeaseChecks++;
            return ValueTask.FromResult(_leases[lease.Source].Epoch == lease.Epoch);
        }
    }

    public ValueTask SaveUsersAsync(
        PartitionLease lease,
        IUserStates saved,
        long foldedPosition,
        long completedOffset,
        CancellationToken cancellationToken)
    {
        var states = new BehaviorSequence[saved.Count];
        for (var i = 0; i < states.Length; i++)
        {
            states[i] = saved[i].ToSequence();
        }

        lock (_gate)
        {
            CheckEpoch(lease);
            if (FailNextSave is { } failure)
            {
                FailNextSave = null;
                return ValueTask.FromException(failure);
            }

            SaveSizes.Add(states.Length);
            foreach (var state in states)
            {
                var expected = FoldOf(state.UserId, state.Position);
                Check(Same(expected, state), $"{state.UserId} saved at {state.Position} with {state.Count} interactions is not the fold, {expected.Count}");
            }

            _saving.Add(states);
        }

        return new ValueTask(WriteAsync(lease, states, foldedPosition, completedOffset));
    }

    public async IAsyncEnumerable<StoredSegment> ReadAsync(
        long afterPosition, SourcePartition? source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Yield();
        foreach (var segment in Segments.Where(stored => stored.Position > afterPosition && (source is null || stored.Source == source)))
        {
            yield return segment;
        }
    }

    public ValueTask<ForgetReceipt> ForgetAsync(
        string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            foreach (var lease in clean)
            {
                CheckEpoch(lease);
            }

            Check(_pending.All(append => !append.Segment.Users.Contains(userId)), $"{userId} is forgotten while appends are under way");
            Check(!_saving.Any(states => states.Any(state => state.UserId == userId)), $"{userId} is forgotten while being saved");
            _saved.Remove(userId);
            _forgotten.Add(userId);
            var removed = 0;
            var rewritten = 0;
            for (var i = 0; i < _segments.Count; i++)
            {
                var segment = _segments[i].Segment;
                var left = segment.Entries.Where(entry => segment.Users[entry.User] != userId).ToList();
                if (left.Count < segment.Entries.Count)
                {
                    removed += segment.Entries.Count - left.Count;
                    rewritten++;
                    _segments[i] = _segments[i] with { Segment = segment with { Entries = left } };
                }
            }

            return ValueTask.FromResult(new ForgetReceipt(userId, removed, rewritten, DateTimeOffset.UnixEpoch));
        }
    }

    public ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask AddAuditAsync(string action, string detail, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The plain fold: what a user's state must be when the segments up to a position are applied.</summary>
    public BehaviorSequence FoldOf(string userId, long position = long.MaxValue)
    {
        lock (_gate)
        {
            var state = new BehaviorSequence(userId);
            foreach (var stored in _segments.Where(stored => stored.Position <= position))
            {
                foreach (var entry in stored.Segment.Entries.Where(entry => stored.Segment.Users[entry.User] == userId))
                {
                    state.Apply(entry.Item, entry.Type, entry.TimestampMs, entry.EventId, MaxSequence);
                }
            }

            return state;
        }
    }

    public static bool Same(BehaviorSequence one, BehaviorSequence other) =>
        one.Count == other.Count
        && one.LastTimestampMs == other.LastTimestampMs
        && one.Entries.SequenceEqual(other.Entries)
        && one.RecentEvents.SequenceEqual(other.RecentEvents);

    private static BehaviorSequence Copy(BehaviorSequence state) =>
        new(state.UserId, state.Count, state.LastTimestampMs, state.Position, state.Entries.ToArray(), state.RecentEvents.ToArray());

    private async Task WriteAsync(PartitionLease lease, BehaviorSequence[] states, long foldedPosition, long completedOffset)
    {
        await SaveGate;
        lock (_gate)
        {
            _saving.Remove(states);

            // Once more: the partition may have changed hands while the save waited.
            CheckEpoch(lease);
            foreach (var state in states)
            {
                Check(
                    !_forgotten.Contains(state.UserId) || FoldOf(state.UserId).Count > 0,
                    $"{state.UserId} comes back after it was forgotten");
                _saved[state.UserId] = state;
            }

            var current = _leases[lease.Source];
            Check(foldedPosition >= current.FoldedPosition, "the folded position goes back");
            Check(completedOffset >= current.CompletedOffset, "the completed offset goes back");
            _leases[lease.Source] = current with { FoldedPosition = foldedPosition, CompletedOffset = completedOffset };
            CheckFolded(_leases[lease.Source]);
        }

        changes.Notify();
    }

    private void CheckFolded(PartitionLease lease)
    {
        var folded = _segments.Where(stored => stored.Source == lease.Source && stored.Position <= lease.FoldedPosition);
        foreach (var stored in folded)
        {
            foreach (var userId in stored.Segment.Entries.Select(entry => stored.Segment.Users[entry.User]).Distinct())
            {
                Check(
                    (_saved.GetValueOrDefault(userId)?.Position ?? 0) >= stored.Position,
                    $"folded up to {lease.FoldedPosition}, but {userId} is saved before {stored.Position}");
            }
        }
    }

    private bool SettleOldest(bool durable)
    {
        lock (_gate)
        {
            if (_pending.First is not { Value: var append })
            {
                return false;
            }

            _pending.RemoveFirst();
            var current = _leases[append.Lease.Source];
            if (!durable)
            {
                append.Done.TrySetException(new IOException("the process ended during the commit"));
            }
            else if (current.Epoch != append.Lease.Epoch)
            {
                append.Done.TrySetException(new FencedException("a newer epoch has the partition"));
            }
            else
            {
                _segments.Add(new StoredSegment(++_position, append.Lease.Source, append.Segment));
                _leases[append.Lease.Source] = current with
                {
                    NextOffset = append.Segment.NextOffset,
                    CompletedOffset = Math.Max(current.CompletedOffset, append.Segment.CompletedOffset),
                };
                append.Done.TrySetResult(_position);
            }
        }

        changes.Notify();
        return true;
    }

    private void CheckEpoch(PartitionLease lease)
    {
        if (_leases[lease.Source].Epoch != lease.Epoch)
        {
            throw new FencedException($"epoch {lease.Epoch} of {lease.Source} is not the newest");
        }
    }

    private void Check(bool holds, string rule)
    {
        if (!holds)
        {
            Violations.Add(rule);
        }
    }

    private sealed record PendingAppend(PartitionLease Lease, Segment Segment, TaskCompletionSource<long> Done);
}

using StreamRec.Domain;

namespace StreamRec.Cli.Bench;

/// <summary>A journal that acknowledges at once and keeps nothing: what is left is the cost of everything else.</summary>
/// <remarks>Threading: every member from any thread.</remarks>
internal sealed class KeepsNothing : IJournal
{
    private readonly Lock _gate = new();
    private long _position;
    private long _interactions;

    /// <summary>Interactions acknowledged.</summary>
    public long Interactions => Interlocked.Read(ref _interactions);

    public Catalogue Catalogue { get; } = new();

    public string? WaitsBecause => null;

    public bool IsShared => false;

    public ValueTask AddItemsAsync(IReadOnlyCollection<string> itemIds, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            foreach (var id in itemIds)
            {
                Catalogue.Add(id);
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<PartitionLease> AcquireAsync(SourcePartition source, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new PartitionLease(source, 1, 0, 0, 0));

    public ValueTask<IReadOnlyList<SourcePartition>> UnfoldedSourcesAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult<IReadOnlyList<SourcePartition>>([]);

    public ValueTask<long> AppendAsync(PartitionLease lease, Segment segment, CancellationToken cancellationToken)
    {
        Interlocked.Add(ref _interactions, segment.Entries.Count);
        return ValueTask.FromResult(Interlocked.Increment(ref _position));
    }

    public ValueTask<IReadOnlyList<BehaviorSequence?>> LoadUsersAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IReadOnlyList<BehaviorSequence?>>(new BehaviorSequence?[userIds.Count]);

    public ValueTask<BehaviorSequence?> ReadUserAsync(string userId, int maxSequence, CancellationToken cancellationToken) =>
        ValueTask.FromResult<BehaviorSequence?>(null);

    public ValueTask<bool> HoldsAsync(PartitionLease lease, CancellationToken cancellationToken) => ValueTask.FromResult(true);

    public ValueTask SaveUsersAsync(
        PartitionLease lease, IUserStates states, long foldedPosition, long completedOffset, CancellationToken cancellationToken) =>
        ValueTask.CompletedTask;

    public IAsyncEnumerable<StoredSegment> ReadAsync(long afterPosition, SourcePartition? source, CancellationToken cancellationToken) =>
        AsyncEnumerable.Empty<StoredSegment>();

    public ValueTask<ForgetReceipt> ForgetAsync(string userId, IReadOnlyCollection<PartitionLease> clean, CancellationToken cancellationToken) =>
        throw new NotSupportedException("There is nothing to forget here.");

    public ValueTask<long> FindNewestAsync(long records, CancellationToken cancellationToken) => ValueTask.FromResult(0L);

    public ValueTask AddAuditAsync(string action, string detail, CancellationToken cancellationToken) =>
        throw new NotSupportedException("There is nothing to audit here.");

    public ValueTask<IReadOnlyList<AuditRecord>> ReadAuditAsync(string? action, int newest, CancellationToken cancellationToken) =>
        throw new NotSupportedException("There is nothing to audit here.");

    public ValueTask<JournalStatistics> StatisticsAsync(CancellationToken cancellationToken) =>
        throw new NotSupportedException("There is nothing to count here.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

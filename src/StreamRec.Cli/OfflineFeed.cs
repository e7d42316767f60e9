using Microsoft.Extensions.Logging;
using StreamRec.Actors;
using StreamRec.Domain;
using StreamRec.Users;

namespace StreamRec.Cli;

/// <summary>Shards that bring interactions into a journal and do nothing else: no lists, no figures, no commits to Kafka.</summary>
internal sealed class OfflineFeed : IAsyncDisposable
{
    private readonly TaskCompletionSource<Exception> _failure = new();
    private readonly ActorSystem _actors;

    /// <param name="options">Settings of users.</param>
    /// <param name="journal">Not disposed here.</param>
    /// <param name="logs">Logs.</param>
    public OfflineFeed(UsersOptions options, IJournal journal, ILoggerFactory logs)
    {
        _actors = new ActorSystem(TimeProvider.System, (_, exception) => _failure.TrySetResult(exception));
        Shards = new UserShards(
            options with { RecommendOn = RecommendOn.RequestsOnly }, journal, new NoLists(), new NoObserver(), new NoOffsets(),
            _actors, TimeProvider.System, logs.CreateLogger<UserShards>());
    }

    public UserShards Shards { get; }

    /// <summary>A shard cannot go on.</summary>
    public bool HasFailed => _failure.Task.IsCompleted;

    /// <exception cref="Exception">What a shard failed with.</exception>
    public async Task ThrowIfFailedAsync()
    {
        if (HasFailed)
        {
            throw await _failure.Task;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Shards.DisposeAsync();
        await _actors.DisposeAsync();
    }

    private sealed class NoLists : IListRequests
    {
        public ValueTask PostAsync(ListRequest request, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("Nobody asks for lists here.");
    }

    private sealed class NoObserver : IInteractionObserver
    {
        public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
        {
        }
    }

    private sealed class NoOffsets : ICompletedOffsets
    {
        public void Completed(SourcePartition source, long nextOffset)
        {
        }
    }
}

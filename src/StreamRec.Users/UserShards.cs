using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using StreamRec.Actors;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>The users stage: one shard for each open partition, and the way to the one that has a user.</summary>
/// <remarks>
/// A user id does not say which partition it lives in: producers may use murmur2, CRC32 or anything else. Requests therefore ask the
/// murmur2 place first, then the other open shards, whether the user is resident, and only then read the journal. There, saved states are
/// complete for users that no open shard has in memory, unless the journal is shared: then another node may have the user, and what was
/// appended since is read, too. A user must be written to one partition at a time, as Kafka's keys make sure.
/// Threading: every member from any thread; opening and closing one partition one after the other.
/// </remarks>
public sealed class UserShards : IInteractionSink, IAsyncDisposable
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<SourcePartition, UserShard> _shards = new();
    private readonly ActorSystem _system;
    private readonly ShardContext _context;
    private readonly UsersMetrics _metrics;
    private readonly TimeProvider _time;
    private int _partitions = 1;

    /// <param name="options">Validated settings.</param>
    /// <param name="journal">The durable truth; not disposed here.</param>
    /// <param name="lists">Where lists are asked for.</param>
    /// <param name="observer">Sees every interaction once it is durable.</param>
    /// <param name="offsets">Told the completed offset of each partition.</param>
    /// <param name="system">Runs the shards; a shard that fails with anything but fencing escalates there, which must stop the host.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">The log.</param>
    public UserShards(
        UsersOptions options,
        IJournal journal,
        IListRequests lists,
        IInteractionObserver observer,
        ICompletedOffsets offsets,
        ActorSystem system,
        TimeProvider time,
        ILogger<UserShards> logger)
    {
        _system = system;
        _time = time;
        _metrics = new UsersMetrics(() => Resident, () => _shards.Values.Sum(shard => shard.WaitingBatches));
        _context = new ShardContext(
            options, journal, lists, observer, offsets, time, _metrics, logger, ResidentBound, Leases, OnStopped, new TurnPool());
    }

    /// <summary>How many partitions the interactions topic has: where to look first for a user. 1 or more.</summary>
    public int Partitions
    {
        get => Volatile.Read(ref _partitions);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            Volatile.Write(ref _partitions, value);
        }
    }

    /// <summary>Users in memory, all shards together.</summary>
    public int Resident => _shards.Values.Sum(shard => shard.Resident);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The partition is open already.</exception>
    public async ValueTask<long> OpenAsync(SourcePartition source, CancellationToken cancellationToken)
    {
        if (_shards.ContainsKey(source))
        {
            throw new InvalidOperationException($"Partition {source} is open already; close it before opening it again.");
        }

        var (shard, readFrom) = await RecoverAsync(source, cancellationToken);
        shard.Spawn(_system);
        _shards[source] = shard;
        if (shard.Ref.Completion.IsCompleted)
        {
            // Failed before it could be found here; OnStopped found nothing to remove.
            _shards.TryRemove(new KeyValuePair<SourcePartition, UserShard>(source, shard));
        }

        return readFrom;
    }

    /// <inheritdoc/>
    public bool IsOpen(SourcePartition source) => _shards.TryGetValue(source, out var shard) && shard.IsOpen;

    /// <inheritdoc/>
    public Delivery TryDeliver(InteractionBatch batch)
    {
        if (!_shards.TryGetValue(batch.Source, out var shard) || !shard.IsOpen)
        {
            return Delivery.NotOpen;
        }

        return shard.TryDeliver(batch) ? Delivery.Taken : Delivery.Full;
    }

    /// <inheritdoc/>
    public async ValueTask CloseAsync(SourcePartition source, CancellationToken cancellationToken)
    {
        if (_shards.TryGetValue(source, out var shard))
        {
            await shard.CloseAsync(cancellationToken);
        }
    }

    /// <summary>What is known of a user, or null.</summary>
    public async ValueTask<UserSnapshot?> GetUserAsync(string userId, CancellationToken cancellationToken)
    {
        var found = await FindAsync<UserSnapshot?>(
            userId, (anyway, reply) => new ShardMessage.Show(userId, anyway, reply), cancellationToken);
        return found is { } answer ? answer.Answer : UserSnapshot.Of(await LoadAsync(userId, cancellationToken));
    }

    /// <summary>Asks for a list because somebody requested it; completes when inference has taken the request.</summary>
    /// <param name="userId">The user; one of whom nothing is known gets the cold-start list.</param>
    /// <param name="k">Items wanted, 1 or more.</param>
    /// <param name="exclude">Item numbers that must not be in the list.</param>
    /// <param name="requestId">The request's id, which the list names as its cause.</param>
    /// <param name="traceParent">The W3C <c>traceparent</c> to carry on, or null.</param>
    /// <param name="completed">Called once, from any thread, with the list.</param>
    /// <param name="cancellationToken">Gives up waiting; the request may have been taken all the same.</param>
    public async ValueTask RecommendAsync(
        string userId,
        int k,
        IReadOnlyCollection<int> exclude,
        string requestId,
        string? traceParent,
        Action<Recommendation?> completed,
        CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        var cause = new Cause(null, 0, null, requestId, traceParent, _time.GetTimestamp());
        var request = new RecommendationRequest(k, exclude, cause, completed);
        var found = await FindAsync<bool>(
            userId, (anyway, reply) => new ShardMessage.Recommend(userId, anyway, request, reply), cancellationToken);
        if (found is null)
        {
            var state = await LoadAsync(userId, cancellationToken);
            await _context.Lists.PostAsync(request.From(userId, state), cancellationToken);
        }
    }

    /// <summary>Deletes a user from memory and journal; a later interaction begins a new sequence from 0.</summary>
    /// <remarks>Lists of the user that inference holds already may still come out.</remarks>
    public async ValueTask<ForgetReceipt> ForgetAsync(string userId, CancellationToken cancellationToken)
    {
        var receipt = await ForgetResidentAsync(null, userId, cancellationToken);
        if (receipt is null && PlaceOf(userId) is { } place)
        {
            receipt = Add(receipt, await AskAsync<ForgetReceipt>(
                place, reply => new ShardMessage.Forget(userId, Anyway: true, reply), cancellationToken));
        }

        receipt ??= await _context.Journal.ForgetAsync(userId, Leases(), cancellationToken);

        // A shard that did not have the user may have loaded the old state before the journal deleted it; what it loads from now on is empty.
        receipt = (await ForgetResidentAsync(receipt, userId, cancellationToken))!;
        _context.Logger.UserForgotten(receipt.UserFingerprint, receipt.Interactions, receipt.Segments);
        return receipt;
    }

    // Every shard that has the user, not only the first: after a change of partitions there may be two.
    private async ValueTask<ForgetReceipt?> ForgetResidentAsync(ForgetReceipt? receipt, string userId, CancellationToken cancellationToken)
    {
        foreach (var shard in InOrderOfSearch(userId))
        {
            receipt = Add(receipt, await AskAsync<ForgetReceipt>(
                shard, reply => new ShardMessage.Forget(userId, Anyway: false, reply), cancellationToken));
        }

        return receipt;
    }

    /// <summary>Drops what is still open without saving it: the journal has everything. Close first to stop gracefully.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var (source, shard) in _shards)
        {
            _shards.TryRemove(source, out _);
            await shard.Ref.StopAsync(StopMode.Discard, CancellationToken.None);
        }

        _metrics.Dispose();
    }

    // Fenced while it recovers: it begins again, as one would that is fenced a moment later. Two nodes that both want the partition would
    // fence each other for ever if neither waited.
    private async ValueTask<(UserShard Shard, long ReadFrom)> RecoverAsync(SourcePartition source, CancellationToken cancellationToken)
    {
        for (var pause = TimeSpan.FromMilliseconds(20); ; pause = 2 * pause < LongestPause ? 2 * pause : LongestPause)
        {
            try
            {
                var shard = new UserShard(source, _context);
                return (shard, await shard.OpenAsync(cancellationToken));
            }
            catch (FencedException exception)
            {
                _context.Logger.ShardFenced(source, exception);
                await Task.Delay(Random.Shared.NextDouble() * pause, _time, cancellationToken);
            }
        }
    }

    private static ForgetReceipt? Add(ForgetReceipt? sum, Found<ForgetReceipt>? found) =>
        (sum, found) switch
        {
            (_, null) => sum,
            (null, { } one) => one.Answer,
            ({ } before, { } one) => before with
            {
                Interactions = before.Interactions + one.Answer.Interactions,
                Segments = before.Segments + one.Answer.Segments,
                At = one.Answer.At,
            },
        };

    /// <summary>The answer of the shard that has the user, else of the user's place, else null: no shard for it is open here.</summary>
    private async ValueTask<Found<T>?> FindAsync<T>(
        string userId, Func<bool, Reply<Found<T>?>, ShardMessage> message, CancellationToken cancellationToken)
    {
        foreach (var shard in InOrderOfSearch(userId))
        {
            if (await AskAsync<T>(shard, reply => message(false, reply), cancellationToken) is { } found)
            {
                return found;
            }
        }

        return PlaceOf(userId) is { } place ? await AskAsync<T>(place, reply => message(true, reply), cancellationToken) : null;
    }

    private static async ValueTask<Found<T>?> AskAsync<T>(
        UserShard shard, Func<Reply<Found<T>?>, ShardMessage> message, CancellationToken cancellationToken)
    {
        try
        {
            return await shard.RequestAsync(message, cancellationToken);
        }
        catch (Exception exception) when (exception is ActorStoppedException or FencedException)
        {
            // The partition went away meanwhile: the user is not in this shard any more.
            return null;
        }
    }

    private IEnumerable<UserShard> InOrderOfSearch(string userId)
    {
        var place = PlaceOf(userId);
        return place is null ? _shards.Values : _shards.Values.Where(shard => shard != place).Prepend(place);
    }

    private UserShard? PlaceOf(string userId)
    {
        var partition = KafkaPartitioner.PartitionOf(userId, Partitions);
        return _shards.FirstOrDefault(open => open.Key.Partition == partition).Value;
    }

    private ValueTask<BehaviorSequence?> LoadAsync(string userId, CancellationToken cancellationToken) =>
        _context.Journal.ReadUserAsync(userId, _context.Options.MaxSequence, cancellationToken);

    private PartitionLease[] Leases() => [.. _shards.Values.Select(shard => shard.Lease)];

    private int ResidentBound() => Math.Max(1, _context.Options.ResidentUsers / Math.Max(1, _shards.Count));

    private void OnStopped(UserShard shard, SourcePartition source, Exception? failure)
    {
        _shards.TryRemove(new KeyValuePair<SourcePartition, UserShard>(source, shard));
        switch (failure)
        {
            case null:
                break;
            case FencedException:
                _context.Logger.ShardFenced(source, failure);
                break;
            default:
                _context.Logger.ShardFailed(source, failure);
                break;
        }
    }
}

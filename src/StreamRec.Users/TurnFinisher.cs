using System.Runtime.InteropServices;
using StreamRec.Actors;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>The second half of a shard: waits for each commit in order, then shows its interactions to the observer and asks for its lists.</summary>
/// <remarks>
/// It is an actor of its own so that the shard decides the next turn meanwhile. Everything of the shard that leaves for inference goes
/// through here in one order, so a user's requests never overtake each other. Waiting for room in inference holds back the shard through
/// the semaphore that it releases; nothing here waits for the shard, so the two cannot lock each other up.
/// </remarks>
internal sealed class TurnFinisher : Actor<TurnFinisher.Message>
{
    private readonly SourcePartition _source;
    private readonly UsersOptions _options;
    private readonly IListRequests _lists;
    private readonly IInteractionObserver _observer;
    private readonly TurnPool _turns;
    private readonly SemaphoreSlim _depth;
    private readonly Action<Exception> _failed;

    /// <param name="source">The partition.</param>
    /// <param name="options">Settings.</param>
    /// <param name="lists">Where lists are asked for.</param>
    /// <param name="observer">Sees every durable interaction.</param>
    /// <param name="turns">Where finished turns go.</param>
    /// <param name="depth">Released once for each finished turn.</param>
    /// <param name="failed">Told why this actor can go no further.</param>
    public TurnFinisher(
        SourcePartition source,
        UsersOptions options,
        IListRequests lists,
        IInteractionObserver observer,
        TurnPool turns,
        SemaphoreSlim depth,
        Action<Exception> failed)
    {
        _source = source;
        _options = options;
        _lists = lists;
        _observer = observer;
        _turns = turns;
        _depth = depth;
        _failed = failed;
    }

    protected override async ValueTask ReceiveAsync(Message message, CancellationToken cancellationToken)
    {
        try
        {
            switch (message)
            {
                case Message.Decided decided:
                    await FinishAsync(decided.Turn, cancellationToken);
                    break;
                case Message.Requested requested:
                    await _lists.PostAsync(requested.Request, cancellationToken);
                    break;
            }
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            _failed(exception);
            throw;
        }
    }

    private async ValueTask FinishAsync(Turn turn, CancellationToken cancellationToken)
    {
        await turn.Commit.WaitAsync(cancellationToken);
        Failpoints.Hit(Failpoint.TurnDurable);
        ShowToObserver(turn);
        for (var i = 0; i < turn.UserCount; i++)
        {
            if (turn.Users[i].ListFor is { } userId)
            {
                await _lists.PostAsync(RequestFor(userId, turn, in turn.Users[i]), cancellationToken);
            }
        }

        var ticket = turn.Ticket;
        _turns.Return(turn);
        ticket.Finish();
        _depth.Release();
    }

    private void ShowToObserver(Turn turn)
    {
        foreach (ref readonly var entry in CollectionsMarshal.AsSpan(turn.Entries))
        {
            ref var user = ref turn.Users[turn.SegmentUsers[entry.User]];
            var end = user.Observed++;
            var start = Math.Max(0, end - _options.MaxSequence);
            var history = turn.HistoryOf(in user);
            _observer.Observed(turn.SegmentUserIds.Utf8(entry.User), history[end], history[start..end]);
        }
    }

    private ListRequest RequestFor(string userId, Turn turn, in TouchedUser user)
    {
        // A copy: the request outlives the turn, whose arrays are used again.
        var history = turn.HistoryOf(in user);
        var newest = history[Math.Max(0, history.Length - _options.MaxSequence)..].ToArray();
        var cause = new Cause(_source, user.CauseOffset, user.CauseEventId, null, user.CauseTraceParent, user.CauseIngestedAt);
        return new ListRequest(userId, user.Sequence, newest, _options.K, [], cause)
        {
            Completed = turn.Ticket.ListFinished,
        };
    }

    /// <summary>What a finisher is told.</summary>
    internal abstract record Message
    {
        /// <summary>A turn whose append is issued.</summary>
        public sealed record Decided(Turn Turn) : Message;

        /// <summary>Somebody's request, to be asked after the turns before it.</summary>
        public sealed record Requested(ListRequest Request) : Message;
    }
}

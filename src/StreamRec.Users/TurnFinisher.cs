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
    private readonly SemaphoreSlim _depth;
    private readonly Action<Exception> _failed;

    /// <param name="source">The partition.</param>
    /// <param name="options">Settings.</param>
    /// <param name="lists">Where lists are asked for.</param>
    /// <param name="observer">Sees every durable interaction.</param>
    /// <param name="depth">Released once for each finished turn.</param>
    /// <param name="failed">Told why this actor can go no further.</param>
    public TurnFinisher(
        SourcePartition source,
        UsersOptions options,
        IListRequests lists,
        IInteractionObserver observer,
        SemaphoreSlim depth,
        Action<Exception> failed)
    {
        _source = source;
        _options = options;
        _lists = lists;
        _observer = observer;
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
            if (turn.Users[i].AsksList)
            {
                await _lists.PostAsync(RequestFor(in turn.Users[i], turn.Ticket), cancellationToken);
            }
        }

        Array.Clear(turn.Users, 0, turn.UserCount);
        Turn.UserArrays.Return(turn.Users);
        turn.Ticket.Finish();
        _depth.Release();
    }

    private void ShowToObserver(Turn turn)
    {
        var entries = turn.Entries;
        for (var i = 0; i < entries.Count; i++)
        {
            ref var user = ref turn.Users[turn.SegmentUsers[entries[i].User]];
            var end = user.Observed++;
            var start = Math.Max(0, end - _options.MaxSequence);
            _observer.Observed(user.UserId, user.History![end], user.History.AsSpan(start, end - start));
        }
    }

    private ListRequest RequestFor(in TouchedUser user, OffsetTracker.Ticket ticket)
    {
        var start = Math.Max(0, user.HistoryLength - _options.MaxSequence);
        var cause = new Cause(_source, user.CauseOffset, user.CauseEventId, null, user.CauseTraceParent, user.CauseIngestedAt);
        return new ListRequest(
            user.UserId, user.Sequence, user.History.AsMemory(start, user.HistoryLength - start), _options.K, [], cause)
        {
            Completed = ticket.ListFinished,
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

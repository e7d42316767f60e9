using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>Questions about single users, answered between turns; those that need the journal share one read.</summary>
/// <remarks>
/// A user who is only asked about does not become resident: another shard may be the one that changes it, and a copy kept here would go stale.
/// </remarks>
internal sealed partial class UserShard
{
    private async ValueTask<int> AnswerAsync(IReadOnlyList<ShardMessage> messages, int first, CancellationToken cancellationToken)
    {
        var end = first;
        _missing.Clear();
        _missingUsers.Clear();
        while (end < messages.Count && messages[end] is ShardMessage.UserRequest request)
        {
            if (request is { Anyway: true } and not ShardMessage.Forget
                && !_residents.TryFind(request.UserId, out _)
                && _missing.TryAdd(request.UserId, _missingUsers.Count))
            {
                _missingUsers.Add(request.UserId);
            }

            // Forgetting changes what the journal would answer: what comes after it is read after it.
            end++;
            if (request is ShardMessage.Forget)
            {
                break;
            }
        }

        var loaded = _missingUsers.Count == 0 ? [] : await LoadMissingAsync(cancellationToken);
        for (var i = first; i < end; i++)
        {
            await AnswerAsync((ShardMessage.UserRequest)messages[i], loaded, cancellationToken);
        }

        return end;
    }

    private async ValueTask<IReadOnlyList<BehaviorSequence?>> LoadMissingAsync(CancellationToken cancellationToken)
    {
        if (!_journal.IsShared)
        {
            return await _journal.LoadUsersAsync(_missingUsers, cancellationToken);
        }

        // Whose place this is may be somewhere else all the same: not every producer hashes the way Kafka's own does.
        var users = new List<BehaviorSequence?>(_missingUsers.Count);
        foreach (var userId in _missingUsers)
        {
            users.Add(await _journal.ReadUserAsync(userId, _options.MaxSequence, cancellationToken));
        }

        return users;
    }

    private async ValueTask AnswerAsync(
        ShardMessage.UserRequest request, IReadOnlyList<BehaviorSequence?> loaded, CancellationToken cancellationToken)
    {
        var resident = _residents.TryFind(request.UserId, out var slot);
        var state = resident ? _residents[slot].State.ToSequence()
            : _missing.TryGetValue(request.UserId, out var index) ? loaded[index]
            : null;
        var here = resident || request.Anyway;
        switch (request)
        {
            case ShardMessage.Show show:
                show.Found.Send(here ? new Found<UserSnapshot?>(UserSnapshot.Of(state)) : null);
                break;
            case ShardMessage.Recommend recommend when here:
                await _finisher.TellAsync(
                    new TurnFinisher.Message.Requested(recommend.Request.From(request.UserId, state)), cancellationToken);
                recommend.Found.Send(new Found<bool>(true));
                break;
            case ShardMessage.Recommend recommend:
                recommend.Found.Send(null);
                break;
            case ShardMessage.Forget forget:
                forget.Found.Send(here ? new Found<ForgetReceipt>(await ForgetAsync(request.UserId, cancellationToken)) : null);
                break;
        }
    }

    /// <summary>
    /// Blocks the shard until the journal is done: an interaction of the user applied meanwhile would build on a state that is being deleted.
    /// Appends and the save under way finish first, or they would bring back what was removed.
    /// </summary>
    private async ValueTask<ForgetReceipt> ForgetAsync(string userId, CancellationToken cancellationToken)
    {
        await AwaitCommitsAsync(cancellationToken);
        await EndSliceAsync();
        if (_residents.TryFind(userId, out var slot))
        {
            _residents.Remove(slot);
        }

        return await _journal.ForgetAsync(userId, _context.Leases(), cancellationToken);
    }
}

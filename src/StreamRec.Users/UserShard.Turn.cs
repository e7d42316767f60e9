using System.Text;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>A turn: resolve users and items in one read each, decide record by record, issue one append, hand the rest to the finisher.</summary>
internal sealed partial class UserShard
{
    private readonly List<ShardMessage.Deliver> _turnBatches = [];
    private readonly List<string> _missingUsers = [];
    private readonly List<string> _missingItems = [];
    private readonly Dictionary<string, int> _missing = new(StringComparer.Ordinal);
    private readonly HashSet<string> _missingItemIds = new(StringComparer.Ordinal);
    private readonly Queue<Task<long>> _commits = new();

    private long _nextOffset;

    // How far this shard has read. A record below was decided here, or its list was out before; deciding it again would ask for a list that
    // supersedes the first one without holding back the completed offset in its place.
    private long _readTo;

    /// <summary>Takes the batches that wait next to each other from <paramref name="first"/> on, up to the bound; returns the first message left.</summary>
    private async ValueTask<int> TurnAsync(IReadOnlyList<ShardMessage> messages, int first, CancellationToken cancellationToken)
    {
        var started = _context.Time.GetTimestamp();
        var end = TakeBatches(messages, first, out var records);
        Interlocked.Add(ref _waitingBatches, -(end - first));
        DropFinishedCommits();

        var turn = _context.Turns.Rent();
        turn.Begin(records);
        LookUp(turn);
        await MakeResidentAsync(_missingUsers, cancellationToken);
        await AddMissingItemsAsync(cancellationToken);
        Number(turn);
        Decide(turn);

        foreach (var deliver in _turnBatches)
        {
            // The journal's position must not pass a record that is in neither place.
            await deliver.Batch.DeadLettered.WaitAsync(cancellationToken);
        }

        ForgetBatches();
        var (applied, duplicates, redelivered, lists) = (turn.Entries.Count, turn.Duplicates, turn.Redelivered, turn.Lists);
        await CommitAsync(turn, cancellationToken);
        _context.Metrics.TurnDecided(records, applied, duplicates, redelivered, lists, _context.Time.GetElapsedTime(started));
        await KeepBoundAsync(cancellationToken);
        return end;
    }

    private int TakeBatches(IReadOnlyList<ShardMessage> messages, int first, out int records)
    {
        records = 0;
        var end = first;
        while (end < messages.Count && messages[end] is ShardMessage.Deliver deliver)
        {
            if (end > first && records + deliver.Batch.Interactions.Count > _options.TurnInteractions)
            {
                break;
            }

            records += deliver.Batch.Interactions.Count;
            _turnBatches.Add(deliver);
            end++;
        }

        return end;
    }

    // A shard may be quiet for long after this: it must not hold on to what it has dealt with.
    private void ForgetBatches()
    {
        foreach (var deliver in _turnBatches)
        {
            deliver.Batch.Interactions.Release();
        }

        _turnBatches.Clear();
        _missing.Clear();
        _missingUsers.Clear();
        _missingItems.Clear();
        _missingItemIds.Clear();
    }

    /// <summary>Finds the user and the item of each record, and notes those that have to be loaded or added.</summary>
    private void LookUp(Turn turn)
    {
        _missing.Clear();
        _missingUsers.Clear();
        _missingItemIds.Clear();
        _missingItems.Clear();
        var index = 0;
        var nextOffset = _nextOffset;
        foreach (var deliver in _turnBatches)
        {
            var interactions = deliver.Batch.Interactions;
            var count = interactions.Count;
            var slots = turn.Slots.Slice(index, count);
            var items = turn.Items.Slice(index, count);
            var hashes = turn.Hashes.Slice(index, count);
            index += count;
            _journal.Catalogue.GetNumbers(interactions, hashes, items);
            _residents.Find(interactions, hashes, slots);
            for (var i = 0; i < count; i++)
            {
                var offset = interactions.Records[i].Offset;
                if (offset < _readTo)
                {
                    slots[i] = Turn.Finished;
                    continue;
                }

                if (slots[i] == Turn.Unknown && Encoding.UTF8.GetString(interactions.UserId(i)) is var userId && _missing.TryAdd(userId, 0))
                {
                    _missingUsers.Add(userId);
                }

                if (items[i] == Turn.Unknown && offset >= nextOffset
                    && Encoding.UTF8.GetString(interactions.ItemId(i)) is var itemId && _missingItemIds.Add(itemId))
                {
                    _missingItems.Add(itemId);
                }
            }

            nextOffset = Math.Max(nextOffset, deliver.Batch.NextOffset);
            _readTo = Math.Max(_readTo, deliver.Batch.NextOffset);
        }
    }

    /// <summary>Makes users resident with one read.</summary>
    private async ValueTask MakeResidentAsync(List<string> userIds, CancellationToken cancellationToken)
    {
        if (userIds.Count == 0)
        {
            return;
        }

        var states = await _journal.LoadUsersAsync(userIds, cancellationToken);
        for (var i = 0; i < userIds.Count; i++)
        {
            _residents.Add(states[i] ?? new BehaviorSequence(userIds[i]));
        }
    }

    /// <summary>Numbers the users, now that all are resident, and counts the records of each. What was a record's slot is its user's number then.</summary>
    private void Number(Turn turn)
    {
        var index = 0;
        foreach (var deliver in _turnBatches)
        {
            var interactions = deliver.Batch.Interactions;
            for (var i = 0; i < interactions.Count; i++)
            {
                ref var slot = ref turn.Slots[index++];
                if (slot == Turn.Finished)
                {
                    continue;
                }

                if (slot == Turn.Unknown)
                {
                    _residents.TryFind(interactions.UserId(i), out slot);
                }

                ref var number = ref turn.Numbers[slot];
                if (number == 0)
                {
                    number = turn.Add(slot);
                }

                slot = number - 1;
                turn.Users[slot].Records++;
            }
        }
    }

    private async ValueTask AddMissingItemsAsync(CancellationToken cancellationToken)
    {
        if (_missingItems.Count > 0)
        {
            await _journal.AddItemsAsync(_missingItems, cancellationToken);
        }
    }

    /// <summary>Lets the user actors decide and evolve, in offset order. No I/O from here to the end of the method.</summary>
    private void Decide(Turn turn)
    {
        var index = 0;
        turn.FirstOffset = _nextOffset;
        foreach (var deliver in _turnBatches)
        {
            var interactions = deliver.Batch.Interactions;
            for (var i = 0; i < interactions.Count; i++, index++)
            {
                if (turn.Slots[index] == Turn.Finished)
                {
                    turn.Redelivered++;
                }
                else
                {
                    Decide(turn, turn.Slots[index], turn.Items[index], interactions, i, deliver.IngestedAt);
                }
            }

            _nextOffset = Math.Max(_nextOffset, deliver.Batch.NextOffset);
        }

        foreach (ref var user in turn.Users)
        {
            user.Sequence = _residents[user.Slot].Count;
        }
    }

    private void Decide(Turn turn, int userIndex, int item, IngestedInteractions interactions, int index, long ingestedAt)
    {
        ref var user = ref turn.Users[userIndex];
        ref readonly var record = ref interactions.Records[index];
        var state = _residents[user.Slot];
        var applied = record.Offset < _nextOffset;
        var effects = UserActor.Decide(state, new Observe(record.Type, record.EventId, applied), _options.RecommendOn);
        if (user.HistoryStart == Turn.Unknown)
        {
            turn.Remember(ref user, state.Entries);
        }

        if ((effects & UserEffects.Append) != 0)
        {
            if (item == Turn.Unknown)
            {
                _journal.Catalogue.TryGetNumber(interactions.ItemId(index), out item);
            }

            UserActor.Evolve(state, item, record.Type, record.TimestampMs, record.EventId, _options.MaxSequence);
            turn.Append(userIndex, interactions.UserId(index), item, in record);
            MarkDirty(user.Slot);
        }
        else if (applied)
        {
            turn.Redelivered++;
        }
        else
        {
            turn.Duplicates++;
        }

        if ((effects & UserEffects.AskList) != 0)
        {
            turn.Lists += user.ListFor is null ? 1 : 0;
            user.ListFor ??= Encoding.UTF8.GetString(interactions.UserId(index));
            user.CauseOffset = record.Offset;
            user.CauseEventId = record.EventId;
            user.CauseTraceParent = record.TraceParent;
            user.CauseIngestedAt = ingestedAt;
        }
    }

    /// <summary>Issues the append and hands the turn over. Waits only while as many turns are under way as the options allow.</summary>
    private async ValueTask CommitAsync(Turn turn, CancellationToken cancellationToken)
    {
        await _depth.WaitAsync(cancellationToken);
        turn.Ticket = _tracker.Begin(_readTo, turn.Lists);
        turn.Commit = Task.FromResult(0L);
        if (_nextOffset > turn.FirstOffset)
        {
            var segment = new Segment(turn.FirstOffset, _nextOffset, _tracker.Completed, turn.SegmentUserIds, turn.Entries);
            turn.Commit = _journal.AppendAsync(_lease, segment, cancellationToken).AsTask();
            _commits.Enqueue(turn.Commit);
        }

        await _finisher.TellAsync(new TurnFinisher.Message.Decided(turn), cancellationToken);
    }

    /// <summary>Waits until every append issued is durable, so that memory and journal say the same.</summary>
    private async ValueTask AwaitCommitsAsync(CancellationToken cancellationToken)
    {
        while (_commits.TryPeek(out var commit))
        {
            _durablePosition = await commit.WaitAsync(cancellationToken);
            _ = _commits.Dequeue();
        }
    }

    private void DropFinishedCommits()
    {
        while (_commits.TryPeek(out var commit) && commit.IsCompletedSuccessfully)
        {
            _durablePosition = commit.Result;
            _commits.Dequeue();
        }
    }
}

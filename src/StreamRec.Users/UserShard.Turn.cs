using System.Runtime.InteropServices;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>A turn: resolve users and items in one read each, decide record by record, issue one append, hand the rest to the finisher.</summary>
internal sealed partial class UserShard
{
    // Instead of a slot or an item number: not known yet, and nothing to do for the record.
    private const int Unknown = -1;
    private const int Finished = -2;

    private readonly List<ShardMessage.Deliver> _turnBatches = [];
    private readonly List<string> _missingUsers = [];
    private readonly List<string> _missingItems = [];
    private readonly Dictionary<string, int> _missing = new(StringComparer.Ordinal);
    private readonly HashSet<string> _missingItemIds = new(StringComparer.Ordinal);
    private readonly Queue<Task<long>> _commits = new();

    // Of each record of the turn: its user, its item, and the look-up of its user.
    private int[] _slots = [];
    private int[] _items = [];
    private UserLookup[] _lookups = [];
    private readonly SlotMap _turnUsers = new();
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

        var decision = new Decision(records);
        if (_slots.Length < records)
        {
            (_slots, _items, _lookups) = (new int[records], new int[records], new UserLookup[records]);
        }

        LookUp();
        await MakeResidentAsync(_missingUsers, cancellationToken);
        await AddMissingItemsAsync(cancellationToken);
        _turnUsers.Clear(records);
        Touch(decision);
        Decide(decision);

        foreach (var deliver in _turnBatches)
        {
            // The journal's position must not pass a record that is in neither place.
            await deliver.Batch.DeadLettered.WaitAsync(cancellationToken);
        }

        // A shard may be quiet for long after this: it must not hold on to what it has dealt with.
        _turnBatches.Clear();
        _missing.Clear();
        _missingUsers.Clear();
        _missingItems.Clear();
        _missingItemIds.Clear();
        await CommitAsync(decision, cancellationToken);
        _context.Metrics.TurnDecided(
            records, decision.Entries.Count, decision.Duplicates, decision.Redelivered, decision.Lists, _context.Time.GetElapsedTime(started));
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

    /// <summary>Finds the user and the item of each record, and notes those that have to be loaded or added.</summary>
    private void LookUp()
    {
        _missing.Clear();
        _missingUsers.Clear();
        _missingItemIds.Clear();
        _missingItems.Clear();
        var index = 0;
        var nextOffset = _nextOffset;
        foreach (var deliver in _turnBatches)
        {
            var records = RecordsOf(deliver.Batch);
            _residents.Begin(records, _lookups.AsSpan(index));
            foreach (ref readonly var record in records)
            {
                _slots[index] = _items[index] = Unknown;
                if (record.Offset < _readTo)
                {
                    _slots[index++] = Finished;
                    continue;
                }

                var interaction = record.Interaction;
                if (_residents.TryFind(interaction.UserId, _lookups[index], out var slot))
                {
                    _slots[index] = slot;
                }
                else if (_missing.TryAdd(interaction.UserId, 0))
                {
                    _missingUsers.Add(interaction.UserId);
                }

                if (record.Item >= 0)
                {
                    _items[index] = record.Item;
                }
                else if (_journal.Catalogue.TryGetNumber(interaction.ItemId, out var item))
                {
                    _items[index] = item;
                }
                else if (record.Offset >= nextOffset && _missingItemIds.Add(interaction.ItemId))
                {
                    _missingItems.Add(interaction.ItemId);
                }

                index++;
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
    private void Touch(Decision decision)
    {
        var index = 0;
        foreach (var deliver in _turnBatches)
        {
            foreach (ref readonly var record in RecordsOf(deliver.Batch))
            {
                ref var slot = ref _slots[index++];
                if (slot == Finished)
                {
                    continue;
                }

                if (slot == Unknown)
                {
                    _residents.TryFind(record.Interaction.UserId, out slot);
                }

                ref var user = ref _turnUsers[slot];
                if (user == 0)
                {
                    user = decision.Add(record.Interaction.UserId, slot);
                }

                slot = user - 1;
                decision.Users[slot].Records++;
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
    private void Decide(Decision decision)
    {
        var index = 0;
        decision.FirstOffset = _nextOffset;
        foreach (var deliver in _turnBatches)
        {
            foreach (ref readonly var record in RecordsOf(deliver.Batch))
            {
                var user = _slots[index];
                var item = _items[index++];
                if (user == Finished)
                {
                    decision.Redelivered++;
                }
                else
                {
                    Decide(decision, user, item, in record, deliver.IngestedAt);
                }
            }

            _nextOffset = Math.Max(_nextOffset, deliver.Batch.NextOffset);
        }

        foreach (ref var user in decision.Users.AsSpan(0, decision.UserCount))
        {
            user.Sequence = _residents[user.Slot].Count;
        }
    }

    private void Decide(Decision decision, int userIndex, int item, in IngestedInteraction record, long ingestedAt)
    {
        ref var user = ref decision.Users[userIndex];
        var interaction = record.Interaction;
        var state = _residents[user.Slot];
        var applied = record.Offset < _nextOffset;
        var effects = UserActor.Decide(state, new Observe(interaction.Type, interaction.EventId, applied), _options.RecommendOn);
        if (user.History is null)
        {
            user.History = new SequenceEntry[state.Entries.Length + user.Records];
            state.Entries.CopyTo(user.History);
            user.HistoryLength = user.Observed = state.Entries.Length;
        }

        if ((effects & UserEffects.Append) != 0)
        {
            if (item == Unknown)
            {
                _journal.Catalogue.TryGetNumber(interaction.ItemId, out item);
            }

            UserActor.Evolve(state, item, interaction.Type, interaction.TimestampMs, interaction.EventId, _options.MaxSequence);
            user.History[user.HistoryLength++] = new SequenceEntry(item, interaction.Type);
            decision.Append(userIndex, item, in record);
            MarkDirty(user.Slot);
        }
        else if (applied)
        {
            decision.Redelivered++;
        }
        else
        {
            decision.Duplicates++;
        }

        if ((effects & UserEffects.AskList) != 0)
        {
            decision.Lists += user.AsksList ? 0 : 1;
            user.AsksList = true;
            user.CauseOffset = record.Offset;
            user.CauseEventId = interaction.EventId;
            user.CauseTraceParent = record.TraceParent;
            user.CauseIngestedAt = ingestedAt;
        }
    }

    /// <summary>Issues the append and hands the turn over. Waits only while as many turns are under way as the options allow.</summary>
    private async ValueTask CommitAsync(Decision decision, CancellationToken cancellationToken)
    {
        await _depth.WaitAsync(cancellationToken);
        var ticket = _tracker.Begin(_readTo, decision.Lists);
        var commit = Task.FromResult(0L);
        if (_nextOffset > decision.FirstOffset)
        {
            var segment = new Segment(decision.FirstOffset, _nextOffset, _tracker.Completed, decision.SegmentUserIds, decision.Entries);
            commit = _journal.AppendAsync(_lease, segment, cancellationToken).AsTask();
            _commits.Enqueue(commit);
        }

        var turn = new Turn
        {
            Users = decision.Users,
            UserCount = decision.UserCount,
            Entries = decision.Entries,
            SegmentUsers = decision.SegmentUsers,
            Ticket = ticket,
            Commit = commit,
        };
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

    /// <summary>The records without an enumerator and without copying each: they are large, and three passes read them.</summary>
    private static ReadOnlySpan<IngestedInteraction> RecordsOf(InteractionBatch batch) => batch.Interactions switch
    {
        IngestedInteraction[] array => array,
        List<IngestedInteraction> list => CollectionsMarshal.AsSpan(list),
        var other => other.ToArray(),
    };
}

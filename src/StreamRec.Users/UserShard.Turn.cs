using System.Buffers;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>A turn: resolve users and items in one read each, decide record by record, issue one append, hand the rest to the finisher.</summary>
internal sealed partial class UserShard
{
    private readonly List<ShardMessage.Deliver> _turnBatches = [];
    private readonly List<string> _missingUsers = [];
    private readonly List<string> _missingItems = [];
    private readonly Dictionary<string, int> _missing = new(StringComparer.Ordinal);
    private readonly Queue<Task<long>> _commits = new();
    private long _nextOffset;

    // The completed offset when the turn began: lists that finish meanwhile must not change what the turn takes for finished.
    private long _turnCompleted;

    /// <summary>Takes the batches that wait next to each other from <paramref name="first"/> on, up to the bound; returns the first message left.</summary>
    private async ValueTask<int> TurnAsync(IReadOnlyList<ShardMessage> messages, int first, CancellationToken cancellationToken)
    {
        var started = _context.Time.GetTimestamp();
        var end = TakeBatches(messages, first, out var records);
        Interlocked.Add(ref _waitingBatches, -(end - first));
        DropFinishedCommits();
        _turnCompleted = _tracker.Completed;

        var slots = ArrayPool<int>.Shared.Rent(Math.Max(1, records));
        var decision = new Decision(records);
        try
        {
            await LoadMissingUsersAsync(cancellationToken);
            Touch(decision, slots);
            await AddMissingItemsAsync(cancellationToken);
            Decide(decision, slots);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(slots);
        }

        foreach (var deliver in _turnBatches)
        {
            // The journal's position must not pass a record that is in neither place.
            await deliver.Batch.DeadLettered.WaitAsync(cancellationToken);
        }

        await CommitAsync(decision, cancellationToken);
        _context.Metrics.TurnDecided(
            records, decision.Entries.Count, decision.Duplicates, decision.Redelivered, decision.Lists, _context.Time.GetElapsedTime(started));
        await KeepBoundAsync(cancellationToken);
        return end;
    }

    private int TakeBatches(IReadOnlyList<ShardMessage> messages, int first, out int records)
    {
        _turnBatches.Clear();
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

    /// <summary>Makes all users of the turn resident with one read.</summary>
    private async ValueTask LoadMissingUsersAsync(CancellationToken cancellationToken)
    {
        _missing.Clear();
        _missingUsers.Clear();
        foreach (var deliver in _turnBatches)
        {
            foreach (var record in deliver.Batch.Interactions)
            {
                if (!IsFinished(record.Offset)
                    && !_residents.TryFind(record.Interaction.UserId, out int _)
                    && _missing.TryAdd(record.Interaction.UserId, 0))
                {
                    _missingUsers.Add(record.Interaction.UserId);
                }
            }
        }

        await MakeResidentAsync(_missingUsers, cancellationToken);
    }

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

    /// <summary>Notes which user each record concerns, how many records each user has, and which items are new.</summary>
    private void Touch(Decision decision, int[] slots)
    {
        _missing.Clear();
        _missingItems.Clear();
        var index = 0;
        var next = _nextOffset;
        foreach (var deliver in _turnBatches)
        {
            foreach (var record in deliver.Batch.Interactions)
            {
                if (IsFinished(record.Offset))
                {
                    slots[index++] = -1;
                    continue;
                }

                _residents.TryFind(record.Interaction.UserId, out int slot);
                slots[index++] = slot;
                ref var mark = ref _residents.Mark(slot);
                if (mark == 0)
                {
                    mark = decision.Add(_residents[slot].UserId, slot);
                }

                decision.Users[mark - 1].Records++;
                var itemId = record.Interaction.ItemId;
                if (record.Offset >= next && !_journal.Catalogue.TryGetNumber(itemId, out _) && _missing.TryAdd(itemId, 0))
                {
                    _missingItems.Add(itemId);
                }
            }

            next = Math.Max(next, deliver.Batch.NextOffset);
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
    private void Decide(Decision decision, int[] slots)
    {
        var index = 0;
        decision.FirstOffset = _nextOffset;
        decision.ReadTo = _turnCompleted;
        foreach (var deliver in _turnBatches)
        {
            foreach (var record in deliver.Batch.Interactions)
            {
                var slot = slots[index++];
                if (slot < 0)
                {
                    decision.Redelivered++;
                }
                else
                {
                    Decide(decision, _residents.Mark(slot) - 1, in record, deliver.IngestedAt);
                }
            }

            _nextOffset = Math.Max(_nextOffset, deliver.Batch.NextOffset);
            decision.ReadTo = Math.Max(decision.ReadTo, deliver.Batch.NextOffset);
        }

        foreach (ref var user in decision.Users.AsSpan(0, decision.UserCount))
        {
            user.Sequence = _residents[user.Slot].Count;
            _residents.Mark(user.Slot) = 0;
        }
    }

    private void Decide(Decision decision, int userIndex, in IngestedInteraction record, long ingestedAt)
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
            _journal.Catalogue.TryGetNumber(interaction.ItemId, out var item);
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
        var ticket = _tracker.Begin(decision.ReadTo, decision.Lists);
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

    /// <summary>Whether a record is behind the completed offset: nothing is owed to it.</summary>
    private bool IsFinished(long offset) => offset < _turnCompleted;

    /// <summary>What one turn has decided so far.</summary>
    private sealed class Decision(int records)
    {
        public TouchedUser[] Users = new TouchedUser[Math.Clamp(records, 1, 64)];

        public int UserCount { get; private set; }

        public List<SegmentEntry> Entries { get; } = new(records);

        public List<string> SegmentUserIds { get; } = [];

        public List<int> SegmentUsers { get; } = [];

        public long FirstOffset { get; set; }

        /// <summary>One past the last record read in the turn, where that was ever below the journal's position too.</summary>
        public long ReadTo { get; set; }

        public int Duplicates { get; set; }

        public int Redelivered { get; set; }

        public int Lists { get; set; }

        /// <summary>Adds a user and returns its index plus one.</summary>
        public int Add(string userId, int slot)
        {
            if (UserCount == Users.Length)
            {
                Array.Resize(ref Users, Users.Length * 2);
            }

            Users[UserCount++] = new TouchedUser { UserId = userId, Slot = slot, SegmentUser = -1 };
            return UserCount;
        }

        public void Append(int userIndex, int item, in IngestedInteraction record)
        {
            ref var user = ref Users[userIndex];
            if (user.SegmentUser < 0)
            {
                user.SegmentUser = SegmentUserIds.Count;
                SegmentUserIds.Add(user.UserId);
                SegmentUsers.Add(userIndex);
            }

            var interaction = record.Interaction;
            Entries.Add(new SegmentEntry(
                user.SegmentUser, item, interaction.Type, record.Offset, interaction.TimestampMs, interaction.Value, interaction.EventId));
        }
    }
}

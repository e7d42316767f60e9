using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>Saves changed users behind the segments, and keeps the number of users in memory within the bound.</summary>
/// <remarks>
/// A round begins at one durable position P and saves, in slices, all users that are dirty then, and those that it meets on its way; when the
/// last slice is durable, every segment at or below P is contained in saved states. Before each slice the shard waits for its outstanding appends, so a state never gets
/// ahead of the journal, and turns go on while the slice is being written. A state saved at position p contains every segment of the
/// partition at or below p, which is what recovery needs to know which entries to skip.
/// </remarks>
internal sealed partial class UserShard
{
    private readonly List<int> _slice = [];
    private int _roundNext;
    private int _roundEnd;
    private bool _roundOpen;
    private bool _saveDue;
    private long _roundPosition;
    private long _durablePosition;
    private long _foldedPosition;
    private long _savedCompleted;
    private Task _save = Task.CompletedTask;

    private void MarkDirty(int slot)
    {
        if (_residents.ResidencyOf(slot) != Residency.Dirty)
        {
            _residents.SetResidency(slot, Residency.Dirty);
        }
    }

    /// <summary>
    /// A shard with nothing to write would not notice that it was fenced, and go on answering for users whom another node has moved on, or
    /// forgotten.
    /// </summary>
    private async ValueTask CheckLeaseAsync(CancellationToken cancellationToken)
    {
        if (_journal.IsShared && !await _journal.HoldsAsync(_lease, cancellationToken))
        {
            throw new FencedException($"The lease on {_source} with epoch {_lease.Epoch} is not the newest any more.");
        }
    }

    /// <summary>Goes on with the round, or begins one when it is due. Returns while the slice is being written.</summary>
    private async ValueTask SaveStepAsync(CancellationToken cancellationToken)
    {
        if (!_save.IsCompleted)
        {
            return;
        }

        await EndSliceAsync();
        if (!_roundOpen && !_saveDue)
        {
            return;
        }

        await AwaitCommitsAsync(cancellationToken);
        if (_roundOpen || BeginRound())
        {
            BeginSlice(cancellationToken);
        }
    }

    /// <summary>Saves until no user is dirty and the journal knows the completed offset.</summary>
    private async ValueTask SaveAllAsync(CancellationToken cancellationToken)
    {
        do
        {
            await EndSliceAsync();
            _saveDue = true;
            await SaveStepAsync(cancellationToken);
        }
        while (_roundOpen);
    }

    private bool BeginRound()
    {
        _saveDue = false;
        if (_residents.NextDirty(0) == _residents.SlotCount && _durablePosition == _foldedPosition && _tracker.Completed == _savedCompleted)
        {
            return false;
        }

        (_roundNext, _roundEnd) = (0, _residents.SlotCount);
        _roundPosition = _durablePosition;
        _roundOpen = true;
        return true;
    }

    private void BeginSlice(CancellationToken cancellationToken)
    {
        int slot;
        while ((slot = _residents.NextDirty(_roundNext)) < _roundEnd && _slice.Count < _options.SaveBatch)
        {
            var user = _residents[slot];
            user.Position = Math.Max(user.Position, _durablePosition);
            _residents.SetResidency(slot, Residency.Saving);
            _slice.Add(slot);
            _roundNext = slot + 1;
        }

        // What becomes dirty behind this place is for the next round.
        _roundNext = slot;
        var folded = _roundNext >= _roundEnd ? _roundPosition : _foldedPosition;
        _save = SaveSliceAsync(folded, _tracker.Completed, cancellationToken);
    }

    /// <summary>Writes one slice and wakes the shard for the next. The journal reads the states before its call returns.</summary>
    private async Task SaveSliceAsync(long folded, long completed, CancellationToken cancellationToken)
    {
        try
        {
            await _journal.SaveUsersAsync(_lease, new Slice(_residents, _slice), folded, completed, cancellationToken);
            Failpoints.Hit(Failpoint.StatesSaved);
            _foldedPosition = folded;
            _savedCompleted = completed;
        }
        catch (Exception exception)
        {
            Fail(exception);
            throw;
        }

        // Where the mailbox has no room the shard is at work and looks after the save at the end of its turn.
        _self?.TryTell(new ShardMessage.Save(Due: false));
    }

    private async ValueTask EndSliceAsync()
    {
        await _save;
        foreach (var slot in _slice)
        {
            if (_residents.ResidencyOf(slot) == Residency.Saving)
            {
                _residents.SetResidency(slot, Residency.Clean);
            }
        }

        _slice.Clear();
        _roundOpen = _roundOpen && _roundNext < _roundEnd;
    }

    /// <summary>Drops users until the bound holds; saves first when too few of them are saved. A sixteenth more, so that it is not needed every turn.</summary>
    private async ValueTask KeepBoundAsync(CancellationToken cancellationToken)
    {
        var bound = _context.ResidentBound();
        if (_residents.Count <= bound)
        {
            return;
        }

        var target = bound - bound / 16;
        _residents.Evict(target);
        if (_residents.Count > bound)
        {
            _context.Logger.SavingUnderPressure(_source, bound);
            await SaveAllAsync(cancellationToken);
            _residents.Evict(target);
        }
    }

    private sealed class Slice(ResidentUsers residents, List<int> slots) : IUserStates
    {
        public int Count => slots.Count;

        public UserState this[int index] => residents[slots[index]].State;
    }
}

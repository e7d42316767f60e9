using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>Opening: take the lease, then bring memory from the saved states to the end of the journal.</summary>
internal sealed partial class UserShard
{
    // Users read at once during the replay. Segments are taken together until they name this many.
    private const int RecoveryUsers = 10_000;

    /// <summary>Takes the partition over and replays the segments that the saved states do not contain.</summary>
    /// <returns>The offset to read from: at most the journal's position.</returns>
    public async ValueTask<long> OpenAsync(CancellationToken cancellationToken)
    {
        _lease = await _journal.AcquireAsync(_source, cancellationToken);
        _nextOffset = _lease.NextOffset;
        _durablePosition = _foldedPosition = _lease.FoldedPosition;
        _savedCompleted = _readTo = _lease.CompletedOffset;
        _tracker = new OffsetTracker(_source, _lease.CompletedOffset, _context.Offsets);

        var segments = 0;
        var group = new List<StoredSegment>();
        await foreach (var segment in _journal.ReadAsync(_lease.FoldedPosition, _source, cancellationToken))
        {
            segments++;
            group.Add(segment);
            if (group.Sum(stored => stored.Segment.Users.Count) >= RecoveryUsers)
            {
                await ReplayAsync(group, cancellationToken);
            }
        }

        await ReplayAsync(group, cancellationToken);
        _context.Logger.ShardOpened(
            _source, _lease.Epoch, segments, _residents.Count, _lease.NextOffset, _lease.CompletedOffset);
        return _lease.CompletedOffset;
    }

    private async ValueTask ReplayAsync(List<StoredSegment> group, CancellationToken cancellationToken)
    {
        var missing = group
            .SelectMany(stored => stored.Segment.Users)
            .Distinct(StringComparer.Ordinal)
            .Where(userId => !_residents.TryFind(userId, out _))
            .ToList();
        await MakeResidentAsync(missing, cancellationToken);
        foreach (var stored in group)
        {
            Replay(stored);
        }

        group.Clear();
        await KeepBoundAsync(cancellationToken);
    }

    private void Replay(StoredSegment stored)
    {
        var slots = new int[stored.Segment.Users.Count];
        for (var user = 0; user < slots.Length; user++)
        {
            _residents.TryFind(stored.Segment.Users[user], out slots[user]);
        }

        foreach (var entry in stored.Segment.Entries)
        {
            var slot = slots[entry.User];
            var state = _residents[slot];

            // At or below the position that it was saved with, the state holds the entry already.
            if (stored.Position > state.Position)
            {
                UserActor.Evolve(state, entry.Item, entry.Type, entry.TimestampMs, entry.EventId, _options.MaxSequence);
                MarkDirty(slot);
            }
        }

        _durablePosition = stored.Position;
    }
}

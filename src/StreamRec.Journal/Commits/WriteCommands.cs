using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Commits;

/// <summary><see cref="IJournal.AcquireAsync"/></summary>
internal sealed class AcquireCommand(SourcePartition source) : WriteCommand<PartitionLease>
{
    public override SourcePartition? Source => source;

    public override void Apply(JournalStore store) => Answer(store.Acquire(source));
}

/// <summary>A command with a packed buffer, which it gives back when it is answered.</summary>
internal abstract class PackedCommand<TAnswer>(PartitionLease lease, PackedWriter packed) : WriteCommand<TAnswer>
{
    public override SourcePartition? Source => Lease.Source;

    public override int Bytes { get; } = packed.Length;

    protected PartitionLease Lease { get; } = lease;

    protected PackedWriter Packed { get; } = packed;

    public override void Acknowledge()
    {
        Packed.Dispose();
        base.Acknowledge();
    }

    public override void Fail(Exception exception)
    {
        Packed.Dispose();
        base.Fail(exception);
    }
}

/// <summary><see cref="IJournal.AppendAsync"/>; the segment is packed by the caller, so the writer only copies.</summary>
internal sealed class AppendCommand(PartitionLease lease, Segment segment, PackedWriter packed) : PackedCommand<long>(lease, packed)
{
    // The segment is somebody else's again as soon as the append is answered.
    private readonly int _interactions = segment.Entries.Count;

    public override int Interactions => IsRefused ? 0 : _interactions;

    public override void Apply(JournalStore store)
    {
        var partition = store.Find(Lease);
        if (partition is null)
        {
            Refuse(Fenced(store, Lease));
        }
        else if (partition.NextOffset != segment.FirstOffset)
        {
            Refuse(new FencedException(
                $"The segment of {Lease.Source} begins at offset {segment.FirstOffset}, but the journal's position is "
                + $"{partition.NextOffset}: acquire again."));
        }
        else
        {
            Answer(store.Append(partition, segment, Packed.Written));
        }
    }
}

/// <summary><see cref="IJournal.SaveUsersAsync"/>; ids and states stand one after the other in one buffer.</summary>
internal sealed class SaveCommand(
    PartitionLease lease, PackedWriter packed, (int UserId, int State)[] lengths, long foldedPosition, long completedOffset)
    : PackedCommand<bool>(lease, packed)
{
    /// <summary>Reads the states now, on the caller's thread: they may change as soon as this returns.</summary>
    public static SaveCommand Pack(PartitionLease lease, IUserStates states, long foldedPosition, long completedOffset)
    {
        var capacity = 0;
        for (var i = 0; i < states.Count; i++)
        {
            var state = states[i];
            capacity = checked(capacity + SequenceCodec.PackedLength(state) + state.UserId.Length);
        }

        var packed = new PackedWriter(capacity);
        try
        {
            var lengths = new (int UserId, int State)[states.Count];
            for (var i = 0; i < lengths.Length; i++)
            {
                var state = states[i];
                packed.Raw(state.UserId);
                lengths[i] = (state.UserId.Length, SequenceCodec.PackedLength(state));
                SequenceCodec.Pack(state, packed);
            }

            return new SaveCommand(lease, packed, lengths, foldedPosition, completedOffset);
        }
        catch
        {
            packed.Dispose();
            throw;
        }
    }

    public override void Apply(JournalStore store)
    {
        var partition = store.Find(Lease);
        if (partition is null)
        {
            Refuse(Fenced(store, Lease));
        }
        else if (foldedPosition > store.Position || completedOffset > partition.NextOffset)
        {
            Refuse(new ArgumentException(
                $"States of {Lease.Source} folded to position {foldedPosition} and completed to offset {completedOffset} "
                + $"are ahead of the journal, which is at position {store.Position} and offset {partition.NextOffset}."));
        }
        else
        {
            var at = 0;
            foreach (var (userId, state) in lengths)
            {
                store.SaveUser(Packed.Written.Slice(at, userId), Packed.Written.Slice(at + userId, state));
                at += userId + state;
            }

            store.Fold(partition, foldedPosition, completedOffset);
            Answer(true);
        }
    }
}

/// <summary><see cref="IJournal.AddAuditAsync"/></summary>
internal sealed class AuditCommand(AuditRecord record) : WriteCommand<bool>
{
    public override void Apply(JournalStore store)
    {
        store.AddAudit(record);
        Answer(true);
    }
}

/// <summary>A command after which old data must be nowhere.</summary>
internal abstract class EraseCommand<TAnswer> : WriteCommand<TAnswer>
{
    public override bool ErasesData => !IsRefused;

    public override void RefuseUnerased() => Refuse(new IOException(
        "The user is removed, but a reader outside this process keeps old data in the write-ahead log. "
        + "End the backup or query, then forget again."));
}

/// <summary>
/// <see cref="IJournal.ForgetAsync"/>, after most segments were searched by a reader, so that the writer is held up briefly.
/// </summary>
internal sealed class ForgetCommand(
    string userId, IReadOnlyList<long> found, long searchedTo, IReadOnlyCollection<PartitionLease> clean, DateTimeOffset at)
    : EraseCommand<ForgetReceipt>
{
    /// <summary>What the audit record says.</summary>
    public static AuditRecord Audit(ForgetReceipt receipt) => new(
        receipt.At, "forget",
        $"user SHA-256 {receipt.UserFingerprint}: {receipt.Interactions} interactions removed, {receipt.Segments} segments rewritten");

    public override void Apply(JournalStore store)
    {
        try
        {
            Answer(store.Forget(userId, found, searchedTo, clean, at));
        }
        catch (JournalCorruptException e)
        {
            Refuse(e);
        }
    }
}

namespace StreamRec.Domain;

/// <summary>A run of consecutive records of one source partition, in offset order: what ingest hands to a shard.</summary>
/// <param name="Source">The partition that all records come from.</param>
/// <param name="FirstOffset">Offset of the first record read, usable or not.</param>
/// <param name="NextOffset">One past the last record read; offsets may have gaps and unusable records are left out, so this is not derivable.</param>
/// <param name="Interactions">
/// The usable records, offsets strictly ascending within [FirstOffset, NextOffset). Whoever has taken the batch owns them, and releases them.
/// </param>
/// <param name="DeadLettered">
/// Completes when every unusable record of the batch is durable in the dead-letter topic. A shard must not commit the batch before:
/// the journal's position never passes a record that is neither stored nor dead-lettered.
/// </param>
public sealed record InteractionBatch(
    SourcePartition Source,
    long FirstOffset,
    long NextOffset,
    IngestedInteractions Interactions,
    Task DeadLettered)
{
    /// <summary>Clock ticks when its first record was read: latencies count from here. 0 = when it is delivered.</summary>
    public long ReadAt { get; init; }
}

/// <summary>Where ingest delivers: the shards. Implemented by the users stage.</summary>
public interface IInteractionSink
{
    /// <summary>Takes ownership of a partition: raises its fencing epoch, recovers its users and returns the offset to read from.</summary>
    /// <remarks>
    /// The returned offset is at or below the journal's position: records between the two are already applied and are
    /// delivered again only so that their users get the list that was not published before the last stop.
    /// </remarks>
    ValueTask<long> OpenAsync(SourcePartition source, CancellationToken cancellationToken);

    /// <summary>Whether the partition is open. A shard goes by itself when somebody else acquires its partition.</summary>
    bool IsOpen(SourcePartition source);

    /// <summary>Hands over a batch. Never blocks.</summary>
    Delivery TryDeliver(InteractionBatch batch);

    /// <summary>Gives a partition up: what was delivered is finished, states are saved, then the shard is gone. A partition that is not open is ignored.</summary>
    ValueTask CloseAsync(SourcePartition source, CancellationToken cancellationToken);
}

/// <summary>What became of a batch.</summary>
public enum Delivery
{
    /// <summary>The shard has it.</summary>
    Taken,

    /// <summary>The shard's mailbox is full: keep the batch, pause the partition and try again.</summary>
    Full,

    /// <summary>The partition is not open, or not any more: open it and read again from the offset that opening returns.</summary>
    NotOpen,
}

/// <summary>The one thing that flows backwards: how far a source partition is durable and its lists are published or superseded.</summary>
public interface ICompletedOffsets
{
    /// <summary>Never blocks. Called from any thread, for one partition with ascending offsets.</summary>
    /// <param name="source">The partition.</param>
    /// <param name="nextOffset">Every record below this offset is finished.</param>
    void Completed(SourcePartition source, long nextOffset);
}

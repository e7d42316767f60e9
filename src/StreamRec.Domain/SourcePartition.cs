namespace StreamRec.Domain;

/// <summary>One partition of an interactions topic: the unit of order, ownership and recovery. One shard serves one source partition.</summary>
/// <param name="Topic">The Kafka topic.</param>
/// <param name="Log">
/// Which log the offsets count in: empty for a Kafka cluster unless a setting names it, a fresh random id for each start of the embedded broker.
/// Without it, offsets that begin again at 0 after a broker restart would be taken for interactions already applied.
/// </param>
/// <param name="Partition">The partition number.</param>
public readonly record struct SourcePartition(string Topic, string Log, int Partition)
{
    /// <summary><c>topic[partition]</c>, as Kafka's own tools write it.</summary>
    public override string ToString() => $"{Topic}[{Partition}]";
}

using StreamRec.Domain;

namespace StreamRec.Training;

/// <summary>Cuts histories into batches.</summary>
internal static class Batches
{
    /// <summary>Shuffles and cuts. Not sorted by length: no padding is computed, and a batch of short histories would weigh each of its targets more.</summary>
    public static IEnumerable<IReadOnlyList<UserHistory>> Of(IReadOnlyList<UserHistory> histories, int batchSize, Random random)
    {
        var order = histories.ToArray();
        random.Shuffle(order);
        return order.Chunk(batchSize);
    }
}

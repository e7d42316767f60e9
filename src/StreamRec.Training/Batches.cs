using StreamRec.Domain;

namespace StreamRec.Training;

/// <summary>Cuts histories into batches of similar length, so that little padding is computed.</summary>
internal static class Batches
{
    /// <summary>Batches that are shuffled together before they are cut by length.</summary>
    private const int Pool = 50;

    /// <summary>Shuffles, then sorts within pools of batches, then shuffles the batches: random order with lengths alike.</summary>
    public static IEnumerable<IReadOnlyList<UserHistory>> Of(IReadOnlyList<UserHistory> histories, int batchSize, Random random)
    {
        var order = histories.ToArray();
        random.Shuffle(order);
        foreach (var pool in order.Chunk(batchSize * Pool))
        {
            var batches = pool.OrderBy(history => history.Items.Length).Chunk(batchSize).ToArray();
            random.Shuffle(batches);
            foreach (var batch in batches)
            {
                yield return batch;
            }
        }
    }
}

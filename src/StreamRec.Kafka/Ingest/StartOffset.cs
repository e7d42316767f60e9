using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>Decides where reading begins, and whether the log still has it.</summary>
internal static class StartOffset
{
    /// <summary>The offset to read first.</summary>
    /// <param name="source">The partition.</param>
    /// <param name="wanted">What the shard asked for.</param>
    /// <param name="low">The oldest offset of the log.</param>
    /// <param name="high">One past its newest.</param>
    /// <param name="isEmbedded">Whether the log is an embedded broker's.</param>
    /// <param name="gap">Set when the log cannot give what is wanted.</param>
    /// <remarks>
    /// A partition of which nothing was ever applied (offset 0, or below) begins at the oldest record of a real Kafka: what expired before the
    /// first start was never ours. An embedded log began with this very start, so records missing at its beginning are a loss.
    /// </remarks>
    public static long Resolve(SourcePartition source, long wanted, long low, long high, bool isEmbedded, out LogGap? gap)
    {
        gap = null;
        var isFresh = wanted < 0 || (wanted == 0 && !isEmbedded);
        if (isFresh)
        {
            return low;
        }

        if (low > wanted)
        {
            gap = LogGap.Dropped(source, wanted, low, isEmbedded);
        }
        else if (high < wanted)
        {
            gap = LogGap.Recreated(source, wanted, high);
        }

        return wanted;
    }
}

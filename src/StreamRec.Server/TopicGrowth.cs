using System.Globalization;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Kafka;
using StreamRec.Users;

namespace StreamRec.Server;

/// <summary>Notices that the interactions topic has more partitions than before, and keeps a record of when.</summary>
/// <remarks>
/// Producers put a user's next interactions into another partition then. Order is kept within a partition only: what is unread of the user in the
/// former one may be applied after newer interactions, and two shards have the user until the former one has evicted it.
/// </remarks>
internal sealed partial class TopicGrowth(
    UserShards shards, IJournal journal, KafkaCluster cluster, string topic, ILogger<TopicGrowth> logger, Action<Exception> failed)
{
    /// <summary>Told a number of partitions; from any thread, one call at a time. A failure goes to the host.</summary>
    public async Task CountedAsync(int partitions)
    {
        shards.Partitions = partitions;
        if (cluster.IsEmbedded)
        {
            // Its topics never grow, and its log is another one at each start.
            return;
        }

        try
        {
            await RecordAsync(partitions);
        }
        catch (Exception exception)
        {
            failed(exception);
        }
    }

    private async Task RecordAsync(int partitions)
    {
        var action = $"partitions of {topic}" + (cluster.LogId.Length > 0 ? $" ({cluster.LogId})" : "");
        var last = await journal.ReadAuditAsync(action, 1, CancellationToken.None);
        var before = last.Count == 0 ? 0 : int.Parse(last[0].Detail, CultureInfo.InvariantCulture);
        if (before != partitions)
        {
            await journal.AddAuditAsync(action, partitions.ToString(CultureInfo.InvariantCulture), CancellationToken.None);
        }

        if (before > 0 && before < partitions)
        {
            Grown(topic, before, partitions);
        }
    }

    [LoggerMessage(6010, LogLevel.Warning, "{Topic} has {Partitions} partitions, it had {Before}: users whose key falls elsewhere now go on in another partition, and what is unread of them in the former one may come after newer interactions")]
    private partial void Grown(string topic, int before, int partitions);
}

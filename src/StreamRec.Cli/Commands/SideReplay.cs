using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Journal;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec replay --from … --side …</c>: the interactions topic once more, into a data directory of its own.</summary>
/// <remarks>For another mapping, other settings, or a look at last week: the live state, its group and its topics are not touched.</remarks>
internal static class SideReplay
{
    public static async Task<int> RunAsync(ParseResult result, string from, string side, CancellationToken cancellationToken)
    {
        var live = Settings.Read(result);
        var journal = Path.Combine(side, "journal.db");
        if (IsSame(side, live.Server.DataDirectory) || IsSame(journal, live.Journal.Path))
        {
            throw new ArgumentException($"--side is '{side}', where the live state is; name another directory.");
        }

        var start = ReplayStart.Parse(from, TimeProvider.System.GetUtcNow());
        var options = live with
        {
            Server = live.Server with { DataDirectory = side },
            Journal = live.Journal with { Path = journal, ConnectionString = null },
        };
        using var logs = Settings.Logs(result);
        var (cluster, kafka) = await Feed.ConnectAsync(live, logs, cancellationToken);
        await using (cluster)
        {
            await using var data = await OfflineData.OpenAsync(options, JournalAccess.Exclusive, logs, cancellationToken);
            await using var feed = new OfflineFeed(options.Users, data.Journal, logs);
            using var replay = new TopicReplay(cluster, kafka, options.Mapping, feed.Shards, TimeProvider.System, logs.CreateLogger<TopicReplay>());
            var replayed = await Output.WithProgressAsync("replaying", 100, "percent", report =>
                Task.Run(() => replay.RunAsync(start, share => report(100 * share), cancellationToken), cancellationToken));
            await feed.ThrowIfFailedAsync();
            var statistics = await data.Journal.StatisticsAsync(cancellationToken);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { replayed.Records, replayed.Interactions, replayed.Unusable, replayed.Filtered, Journal = statistics });
            }
            else
            {
                var left = replayed.Records - replayed.Interactions;
                Console.WriteLine($"Read {replayed.Records:N0} records{(left > 0 ? $", {left:N0} of them without use" : "")}; '{side}' now holds {statistics.Interactions:N0} interactions of {statistics.Users:N0} users.");
                Console.WriteLine($"Try: streamrec train --data {side}, or streamrec serve --data {side} --set Kafka:GroupId=<another group>, which goes on from there.");
            }
        }

        return ExitCode.Success;
    }

    private static bool IsSame(string one, string other) => Resolved(one) == Resolved(other);

    // A link to the directory is another spelling of it. Links further up are not followed: the journal's lock is what keeps a live server safe.
    private static string Resolved(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        FileSystemInfo found = Directory.Exists(full) ? new DirectoryInfo(full) : new FileInfo(full);
        return found.Exists && found.ResolveLinkTarget(returnFinalTarget: true) is { } target ? target.FullName : full;
    }
}

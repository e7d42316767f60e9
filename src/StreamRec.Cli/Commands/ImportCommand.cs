using System.CommandLine;
using System.Security.Cryptography;
using StreamRec.Cli.Files;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec import</c>: a file of interactions straight into the journal, without Kafka and without lists.</summary>
/// <remarks>
/// The file is a source partition of its own, named by its hash, with line order as offsets: an interrupted import goes on where it was,
/// and importing a file twice changes nothing.
/// </remarks>
internal static class ImportCommand
{
    private const int BatchSize = 5_000;

    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "S3-Rec sequences, MovieLens, RecBole .inter, csv, tsv or jsonl; plain or gz." };
        var command = new Command("import", "Load a file's interactions into the journal of a server that is not running.") { file };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var path = result.GetValue(file)!;
            var interactions = InteractionFile.Read(path);
            await using var data = await OfflineData.OpenAsync(options, JournalAccess.Exclusive, logs, cancellationToken);
            var before = (await data.Journal.StatisticsAsync(cancellationToken)).Interactions;
            await using var feed = new OfflineFeed(options.Users, data.Journal, logs);
            var source = new SourcePartition("import", await HashAsync(path, cancellationToken), 0);
            var from = await feed.Shards.OpenAsync(source, cancellationToken);
            await Output.WithProgressAsync("importing", interactions.Count, "interactions", report =>
                DeliverAsync(feed, source, interactions, from, report, cancellationToken));
            await feed.Shards.CloseAsync(source, cancellationToken);
            await feed.ThrowIfFailedAsync();

            var lease = await data.Journal.AcquireAsync(source, cancellationToken);
            if (lease.NextOffset < interactions.Count)
            {
                throw TakenOver();
            }

            var after = await data.Journal.StatisticsAsync(cancellationToken);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { Read = interactions.Count, Added = after.Interactions - before, after.Interactions, after.Users, after.Items });
            }
            else
            {
                Console.WriteLine($"Added {after.Interactions - before:N0} of {interactions.Count:N0} interactions; the journal holds {after.Interactions:N0} of {after.Users:N0} users on {after.Items:N0} items.");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<bool> DeliverAsync(
        OfflineFeed feed,
        SourcePartition source,
        IReadOnlyList<Interaction> interactions,
        long from,
        Action<double> report,
        CancellationToken cancellationToken)
    {
        for (var start = (int)from; start < interactions.Count && !feed.HasFailed;)
        {
            var count = Math.Min(BatchSize, interactions.Count - start);
            var batch = new IngestedInteractions(count);
            for (var i = 0; i < count; i++)
            {
                batch.Add(start + i, interactions[start + i]);
            }

            var delivery = new InteractionBatch(source, start, start + count, batch, Task.CompletedTask);
            while (!feed.HasFailed && feed.Shards.TryDeliver(delivery) is var outcome && outcome != Delivery.Taken)
            {
                if (outcome == Delivery.NotOpen)
                {
                    throw TakenOver();
                }

                await Task.Delay(1, cancellationToken);
            }

            start += count;
            report(start);
        }

        return true;
    }

    private static IOException TakenOver() =>
        new("Another process has taken the journal over. Import again; what is there already is left out.");

    private static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken))[..16];
    }
}

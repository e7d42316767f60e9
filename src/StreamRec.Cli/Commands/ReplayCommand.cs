using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Cli.Files;
using StreamRec.Kafka.Publish;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec replay</c>: a file of interactions through the topic, as if it happened now.</summary>
internal static class ReplayCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "S3-Rec sequences, MovieLens, RecBole .inter, csv, tsv or jsonl; plain or gz." };
        var rate = new Option<double>("--rate") { Description = "Interactions a second; 0 = as fast as the server takes them.", DefaultValueFactory = _ => 0 };
        var skip = new Option<long>("--skip") { Description = "Leave out the first N, for example what an interrupted replay has sent.", DefaultValueFactory = _ => 0 };
        var command = new Command("replay", "Send a file's interactions to the interactions topic.") { file, rate, skip };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var logs = Settings.Logs(result);
            var interactions = InteractionFile.Read(result.GetValue(file)!);
            var first = Math.Clamp(result.GetValue(skip), 0, interactions.Count);
            var (cluster, kafka) = await Feed.ConnectAsync(Settings.Read(result), logs, cancellationToken);
            await using (cluster)
            {
                using var producer = new InteractionProducer(cluster, kafka, logs.CreateLogger<InteractionProducer>());
                var total = interactions.Count - first;
                var sent = await Output.WithProgressAsync("replaying", total, "interactions", report =>
                    Feed.SendAsync(producer, interactions.Skip((int)first), result.GetValue(rate), report, cancellationToken));
                if (Settings.AsJson(result))
                {
                    Output.WriteJson(new { Sent = sent });
                }
                else
                {
                    Console.WriteLine($"Sent {sent:N0} interactions of {interactions.Select(i => i.UserId).Distinct().Count():N0} users.");
                }

                return ExitCode.Success;
            }
        });
        return command;
    }
}

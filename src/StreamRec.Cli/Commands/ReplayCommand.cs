using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Cli.Drawing;
using StreamRec.Cli.Files;
using StreamRec.Kafka.Publish;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec replay</c>: a file of interactions through the topic, as if it happened now; or the topic again, see <see cref="SideReplay"/>.</summary>
internal static class ReplayCommand
{
    public static Command Create()
    {
        var file = new Argument<string?>("file")
        {
            Description = "S3-Rec sequences, MovieLens, RecBole .inter, csv, tsv or jsonl; plain or gz. Absent: the topic itself, with --from and --side.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var rate = new Option<double>("--rate") { Description = "Interactions a second; 0 = as fast as the server takes them.", DefaultValueFactory = _ => 0 };
        var skip = new Option<long>("--skip") { Description = "Leave out the first N, for example what an interrupted replay has sent.", DefaultValueFactory = _ => 0 };
        var svg = new Option<string?>("--svg") { Description = "Draw how well the server on --data recommends meanwhile into this SVG file, and in the terminal." };
        var from = new Option<string?>("--from") { Description = "Read the topic again from earliest, ts=<ISO time>, last=<n>d|h|m|s, offset=<n>, or offset=<partition>:<n>,… into --side." };
        var side = new Option<string?>("--side") { Description = "Data directory of the side state that --from fills; the live one is not touched." };
        var command = new Command("replay", "Send a file's interactions to the interactions topic, or read the topic again into a side state.") { file, rate, skip, svg, from, side };
        command.SetAction(async (result, cancellationToken) =>
        {
            switch (result.GetValue(file), result.GetValue(from), result.GetValue(side))
            {
                case (null, { } start, { } directory):
                    return await SideReplay.RunAsync(result, start, directory, cancellationToken);
                case ({ }, null, null):
                    break;
                default:
                    throw new ArgumentException("replay takes either a file, or --from together with --side.");
            }

            using var logs = Settings.Logs(result);
            var interactions = InteractionFile.Read(result.GetValue(file)!);
            var options = Settings.Read(result);
            using var server = result.GetValue(svg) is null ? null : ServerClient.Find(options.Server.DataDirectory)
                ?? throw new InvalidOperationException($"--svg needs a server that runs on '{options.Server.DataDirectory}'; start 'streamrec serve' there, or name its --data.");
            var first = Math.Clamp(result.GetValue(skip), 0, interactions.Count);
            var (cluster, kafka) = await Feed.ConnectAsync(options, logs, cancellationToken);
            await using (cluster)
            {
                using var producer = new InteractionProducer(cluster, kafka, logs.CreateLogger<InteractionProducer>());
                var total = interactions.Count - first;
                var quality = new LiveQuality();
                var sent = await Output.WithProgressAsync("replaying", total, "interactions", async report =>
                {
                    var sending = Feed.SendAsync(producer, interactions.Skip((int)first), result.GetValue(rate), report, cancellationToken);
                    await (server is null ? Task.CompletedTask : quality.WatchAsync(server, sending, cancellationToken));
                    return await sending;
                });
                if (result.GetValue(svg) is { } path)
                {
                    var chart = quality.Chart(Path.GetFileName(result.GetValue(file)!));
                    await File.WriteAllTextAsync(path, SvgChart.Render([], [chart]), cancellationToken);
                    if (!Settings.AsJson(result))
                    {
                        TerminalChart.Write([], chart);
                    }
                }

                if (Settings.AsJson(result))
                {
                    Output.WriteJson(new { Sent = sent, Figures = quality.Last });
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

using System.CommandLine;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec resume</c>: partitions that stand still because records are gone from the log.</summary>
internal static class ResumeCommand
{
    public static Command Create()
    {
        var accept = new Option<bool>("--accept-gap") { Description = "Go on without the records that are gone. They are given up for good; the audit keeps which." };
        var command = new Command("resume", "Show partitions that stand still because records are gone, and let them go on.") { accept };
        command.SetAction(async (result, cancellationToken) =>
        {
            var data = Settings.Read(result).Server.DataDirectory;
            using var server = ServerClient.Find(data)
                ?? throw new InvalidOperationException($"No server runs on '{data}'. Gaps are found, and accepted, while one runs; name its --data.");
            var gaps = await server.GetAsync<List<GapView>>("gaps", cancellationToken);
            var accepted = result.GetValue(accept) ? await server.PostAsync<List<GapView>>("gaps/accept", cancellationToken) : [];
            if (Settings.AsJson(result))
            {
                Output.WriteJson(new { Gaps = gaps, Accepted = accepted });
            }
            else
            {
                Write(gaps, accepted);
            }

            return gaps.Count == accepted.Count ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static void Write(List<GapView> gaps, List<GapView> accepted)
    {
        if (gaps.Count == 0)
        {
            Console.WriteLine("No partition of this server stands still.");
        }

        foreach (var gap in gaps)
        {
            Console.WriteLine(accepted.Contains(gap)
                ? $"{gap.Topic}[{gap.Partition}] goes on at offset {gap.AvailableOffset}; {gap.MissingOffsets:N0} records are given up."
                : gap.Message);
        }
    }
}

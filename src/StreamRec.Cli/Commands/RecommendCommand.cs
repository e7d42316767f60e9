using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Models.Transitions;
using StreamRec.Server;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec recommend</c>: one user's list, now, from the running server or from the data at rest.</summary>
internal static class RecommendCommand
{
    public static Command Create()
    {
        var user = new Argument<string>("user") { Description = "The user id." };
        var k = new Option<int>("-k") { Description = "Items, 1 to 1000.", DefaultValueFactory = _ => 10 };
        var command = new Command("recommend", "Show a user's list.") { user, k };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var (id, count) = (result.GetValue(user)!, result.GetValue(k));
            if (count is < 1 or > 1000)
            {
                throw new ArgumentException($"-k is {count}; it must be in [1, 1000].");
            }

            using var server = ServerClient.Find(options.Server.DataDirectory);
            var list = server is not null
                ? await server.GetAsync<ListView>(
                    string.Create(CultureInfo.InvariantCulture, $"recommendations/{Uri.EscapeDataString(id)}?k={count}"), cancellationToken)
                : await AtRestAsync(options, id, count, logs, cancellationToken);
            if (Settings.AsJson(result))
            {
                Output.WriteJson(list);
            }
            else
            {
                Output.WriteTable(
                    ["item", "rank", "score", "source", "title"],
                    list.Items.Select(item => (IReadOnlyList<string>)
                        [item.ItemId, $"{item.Rank}", item.Score.ToString("F3", CultureInfo.InvariantCulture), item.Source, item.Title ?? ""]));
                Console.WriteLine($"{id}: {list.Sequence:N0} interactions, {(list.Fallback is null ? $"computed by {list.Model}" : $"transitions and popularity stand in ({list.Fallback}; model: {list.Model ?? "none"})")}.");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<ListView> AtRestAsync(
        StreamRecOptions options, string user, int k, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
        var catalogue = data.Journal.Catalogue;
        var state = await data.Journal.ReadUserAsync(user, options.Users.MaxSequence, cancellationToken);
        var had = state?.Entries.ToArray().Where(e => e.Type != InteractionType.Impression).Select(e => e.Item).ToArray() ?? [];
        var version = data.Models.Champion;
        var settings = TransitionsSettings.Of(version is null ? Pipeline.ReadRecipe(options.Training.Recipe) : data.Registry.ReadManifest(version).Config);
        var counts = await StreamCounts.ReadAsync(data.Journal, options.Server.CountedAtStart, settings, TimeProvider.System, cancellationToken);
        IReadOnlyList<RankedItem> items = [];
        if (version is not null)
        {
            using var model = data.Models.Load(version, counts.Transitions);
            items = model.Recommend([new ModelQuery(user, had, had, k)])[0];
        }

        var fallback = items.Count > 0 ? Fallback.None : version is null ? Fallback.NoModel : Fallback.ColdStart;
        if (fallback != Fallback.None)
        {
            items = counts.Lists.Top(k, had, had);
        }

        return ListView.Of(
            new Recommendation(user, state?.Count ?? 0, items, version, fallback, default, k, TimeProvider.System.GetUtcNow()), catalogue);
    }
}

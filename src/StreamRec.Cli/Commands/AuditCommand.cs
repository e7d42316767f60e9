using System.CommandLine;
using System.Globalization;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec audit</c>: what somebody may ask about years later.</summary>
internal static class AuditCommand
{
    public static Command Create()
    {
        var last = new Option<int>("--last") { Description = "How many, newest first, 1 to 100,000.", DefaultValueFactory = _ => 100 };
        var command = new Command("audit", "Show what was done for good: users forgotten, gaps accepted, partitions added.") { last };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var newest = result.GetValue(last) is >= 1 and <= 100_000 and var count
                ? count
                : throw new ArgumentException($"--last is {result.GetValue(last)}; it must be in [1, 100000].");
            using var server = ServerClient.Find(options.Server.DataDirectory);
            IReadOnlyList<AuditRecord> records;
            if (server is not null)
            {
                records = await server.GetAsync<List<AuditRecord>>(string.Create(CultureInfo.InvariantCulture, $"audit?last={newest}"), cancellationToken);
            }
            else
            {
                await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
                records = await data.Journal.ReadAuditAsync(null, newest, cancellationToken);
            }

            if (Settings.AsJson(result))
            {
                Output.WriteJson(records);
            }
            else
            {
                Output.WriteTable(
                    ["at", "action", "detail"],
                    records.Select(r => (IReadOnlyList<string>)[r.At.ToString("u", CultureInfo.InvariantCulture), r.Action, r.Detail]));
            }

            return ExitCode.Success;
        });
        return command;
    }
}

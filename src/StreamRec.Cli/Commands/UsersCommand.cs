using System.CommandLine;
using System.Globalization;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec users show|export|forget</c>.</summary>
internal static class UsersCommand
{
    private const int Shown = 20;

    public static Command Create() => new("users", "One user: what is known, and forgetting it.") { Show(), Export(), Forget() };

    private static Command Show()
    {
        var user = new Argument<string>("user") { Description = "The user id." };
        var command = new Command("show", "What is known of a user.") { user };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var id = result.GetValue(user)!;
            await using var source = await InteractionSource.OpenAsync(options, logs, cancellationToken);
            if (await source.ReadUserAsync(id, cancellationToken) is not { } view)
            {
                Console.Error.WriteLine($"Nothing is known of user '{id}'.");
                return ExitCode.Failure;
            }

            if (Settings.AsJson(result))
            {
                Output.WriteJson(view);
                return ExitCode.Success;
            }

            Output.WriteTable(
                ["item", "type", "title"],
                view.Sequence.TakeLast(Shown).Reverse().Select(e => (IReadOnlyList<string>)[e.ItemId, e.Type, e.Title ?? ""]));
            Console.WriteLine($"{id}: {view.Interactions:N0} interactions, the newest at {view.LastAt.ToString("u", CultureInfo.InvariantCulture)}; shown are the last {Math.Min(Shown, view.Sequence.Count)}, newest first.");
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Export()
    {
        var user = new Argument<string>("user") { Description = "The user id." };
        var command = new Command("export", "Everything that is kept of a user, as JSON: the state and all interactions.") { user };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var id = result.GetValue(user)!;
            await using var source = await InteractionSource.OpenAsync(options, logs, cancellationToken);
            var state = await source.ReadUserAsync(id, cancellationToken);
            var interactions = new List<InteractionRow>();
            await foreach (var row in source.ReadAsync(0, id, cancellationToken))
            {
                interactions.Add(row);
            }

            if (state is null && interactions.Count == 0)
            {
                Console.Error.WriteLine($"Nothing is known of user '{id}'.");
                return ExitCode.Failure;
            }

            Output.WriteJson(new { UserId = id, State = state, Interactions = interactions });
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Forget()
    {
        var user = new Argument<string>("user") { Description = "The user id." };
        var command = new Command("forget", "Delete a user from memory and journal, for good.") { user };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            var id = result.GetValue(user)!;
            using var server = ServerClient.Find(options.Server.DataDirectory);
            ForgetReceipt receipt;
            if (server is not null)
            {
                receipt = await server.DeleteAsync<ForgetReceipt>($"users/{Uri.EscapeDataString(id)}", cancellationToken);
            }
            else
            {
                await using var data = await OfflineData.OpenAsync(options, JournalAccess.Exclusive, logs, cancellationToken);
                receipt = await data.Journal.ForgetAsync(id, [], cancellationToken);
            }

            if (Settings.AsJson(result))
            {
                Output.WriteJson(receipt);
            }
            else
            {
                Console.WriteLine($"Forgotten: {receipt.Interactions:N0} interactions removed from {receipt.Segments:N0} segments. Receipt {receipt.UserFingerprint}.");
            }

            return ExitCode.Success;
        });
        return command;
    }
}

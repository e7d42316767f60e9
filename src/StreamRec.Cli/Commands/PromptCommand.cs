using System.CommandLine;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Torch;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec prompt</c>: the text that a model reads of a user, token by token.</summary>
internal static class PromptCommand
{
    public static Command Create()
    {
        var user = new Argument<string>("user") { Description = "The user id." };
        var family = new Option<string>("--family") { Description = "A family that reads text.", DefaultValueFactory = _ => GenRecFamily.FamilyName };
        var command = new Command("prompt", "Show the text that a model reads of a user, with its tokens.") { user, family };
        command.SetAction(async (result, cancellationToken) =>
        {
            var options = Settings.Read(result);
            using var logs = Settings.Logs(result);
            TorchRuntime.SetThreads(1);
            await using var data = await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken);
            var (id, version) = (result.GetValue(user)!, VersionOf(data, result.GetValue(family)!));
            var state = await data.Journal.ReadUserAsync(id, options.Users.MaxSequence, cancellationToken);
            var had = state?.Entries.ToArray().Where(e => e.Type != InteractionType.Impression).Select(e => e.Item).ToArray() ?? [];
            // The text does not depend on any counts.
            using var model = data.Models.Load(version, NoEvidence.Instance);
            if (model is not ITextModel reader)
            {
                throw new ArgumentException($"{version} reads no text; --family must be one that does, such as {GenRecFamily.FamilyName}.");
            }

            var tokens = reader.Read(new ModelQuery(id, had, had, 1));
            if (tokens.Count == 0)
            {
                Console.Error.WriteLine($"{version} knows none of the {had.Length} items of user '{id}': it reads nothing.");
                return ExitCode.Failure;
            }

            Write(result, version, id, tokens);
            return ExitCode.Success;
        });
        return command;
    }

    // The champion where it is one of the family, else the family's newest.
    private static ModelVersion VersionOf(OfflineData data, string family) =>
        data.Models.Champion is { } champion && champion.Family == family ? champion
            : data.Registry.List().LastOrDefault(version => version.Family == family)
                ?? throw new InvalidOperationException(
                    $"There is no checkpoint of the family '{family}'; make one with 'streamrec train --recipe config/models/{GenRecFamily.FamilyName}.json'.");

    private static void Write(ParseResult result, ModelVersion version, string user, IReadOnlyList<TextToken> tokens)
    {
        var text = string.Concat(tokens.Select(token => token.Text));
        if (Settings.AsJson(result))
        {
            Output.WriteJson(new { Version = version.ToString(), UserId = user, Text = text, Tokens = tokens });
            return;
        }

        Output.WriteTable(
            ["token", "id", "word of"],
            tokens.Select(token => (IReadOnlyList<string>)
                [token.Text, $"{token.Id}", token.ItemId is { } item ? $"item {item}" : token.UserId is { } whose ? $"user {whose}" : ""]));
        Console.WriteLine($"{version} reads {tokens.Count} tokens of {user}: {text}");
    }
}

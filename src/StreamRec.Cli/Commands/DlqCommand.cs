using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging;
using StreamRec.Kafka;
using StreamRec.Kafka.Publish;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec dlq list|show|replay</c>: records that could not be used.</summary>
internal static class DlqCommand
{
    private const int MaxListed = 10_000;

    public static Command Create() => new("dlq", "Dead letters: list, show, send back.") { List(), Show(), Replay() };

    private static Command List()
    {
        var last = new Option<int>("--last") { Description = "The newest N.", DefaultValueFactory = _ => 20 };
        var code = Code();
        var command = new Command("list", "The newest letters, and how many there are of each code.") { last, code };
        command.SetAction((result, cancellationToken) =>
        {
            var limit = result.GetValue(last) is >= 1 and <= MaxListed and var n
                ? n
                : throw new ArgumentException($"--last is {result.GetValue(last)}; it must be in [1, {MaxListed}].");
            return ListAsync(result, limit, result.GetValue(code), cancellationToken);
        });
        return command;
    }

    private static Task<int> ListAsync(ParseResult result, int limit, string? code, CancellationToken cancellationToken) =>
        WithTopicAsync(result, async (reader, _, _) =>
        {
            var codes = new Dictionary<string, long>(StringComparer.Ordinal);
            var newest = new PriorityQueue<StoredLetter, (DateTimeOffset, LetterPosition)>(
                Comparer<(DateTimeOffset At, LetterPosition Place)>.Create((a, b) => (a.At, a.Place.Partition, a.Place.Offset).CompareTo((b.At, b.Place.Partition, b.Place.Offset))));
            await ReadAsync(reader, null, letter =>
            {
                codes[CodeOf(letter)] = codes.GetValueOrDefault(CodeOf(letter)) + 1;
                if (Fits(letter, code))
                {
                    newest.Enqueue(letter, (WrittenAt(letter), letter.Position));
                    if (newest.Count > limit)
                    {
                        newest.Dequeue();
                    }
                }

                return ValueTask.CompletedTask;
            }, cancellationToken);
            var letters = new List<StoredLetter>();
            while (newest.TryDequeue(out var letter, out _))
            {
                letters.Add(letter);
            }

            Write(letters, codes, Settings.AsJson(result));
            return ExitCode.Success;
        }, cancellationToken);

    private static Command Show()
    {
        var place = new Argument<string>("letter") { Description = "partition:offset in the dead-letter topic, as 'dlq list' shows it." };
        var command = new Command("show", "One letter: key, headers and value.") { place };
        command.SetAction((result, cancellationToken) =>
        {
            var position = LetterPosition.Parse(result.GetValue(place)!);
            return WithTopicAsync(result, async (reader, _, _) =>
            {
                var letter = await Task.Run(() => reader.Find(position, cancellationToken), cancellationToken);
                if (Settings.AsJson(result))
                {
                    Output.WriteJson(LetterView.Of(letter));
                }
                else
                {
                    LetterView.Write(letter, Console.Out);
                }

                return ExitCode.Success;
            }, cancellationToken);
        });
        return command;
    }

    private static Command Replay()
    {
        var code = Code();
        var from = new Option<string?>("--from") { Description = "Begin at this letter, partition:offset; letters of lower partitions are left out." };
        var dryRun = new Option<bool>("--dry-run") { Description = "Send nothing, only count." };
        var all = new Option<bool>("--all") { Description = $"Also what has failed {DeadLetterReplay.MaxAttempts} times or more." };
        var command = new Command("replay", "Send letters back to where they came from, as the records that they were.") { code, from, dryRun, all };
        command.SetAction((result, cancellationToken) =>
        {
            LetterPosition? start = result.GetValue(from) is { } text ? LetterPosition.Parse(text) : null;
            return WithTopicAsync(result, async (reader, connection, logs) =>
            {
                using var replay = new DeadLetterReplay(connection.Cluster, connection.Options, logs.CreateLogger<DeadLetterReplay>());
                var sent = new SortedDictionary<string, long>(StringComparer.Ordinal);
                var refused = new Dictionary<ReplayRefusal, long>();
                await ReadAsync(reader, start, async letter =>
                {
                    if (!Fits(letter, result.GetValue(code)))
                    {
                        return;
                    }

                    if (replay.Check(letter, result.GetValue(all)) is var refusal && refusal != ReplayRefusal.None)
                    {
                        refused[refusal] = refused.GetValueOrDefault(refusal) + 1;
                        return;
                    }

                    if (!result.GetValue(dryRun))
                    {
                        await replay.SendAsync(letter, cancellationToken);
                    }

                    sent[letter.Topic!] = sent.GetValueOrDefault(letter.Topic!) + 1;
                }, cancellationToken);
                await replay.FlushAsync(cancellationToken);
                Write(sent, refused, result.GetValue(dryRun), Settings.AsJson(result));
                return ExitCode.Success;
            }, cancellationToken);
        });
        return command;
    }

    private static Option<string?> Code() => new("--code") { Description = "Only letters of this code, for example unknown_type." };

    private static async Task<int> WithTopicAsync(
        ParseResult result,
        Func<DeadLetterReader, (KafkaCluster Cluster, KafkaOptions Options), ILoggerFactory, Task<int>> work,
        CancellationToken cancellationToken)
    {
        using var logs = Settings.Logs(result);
        var connection = await Feed.ConnectAsync(Settings.Read(result), logs, cancellationToken);
        await using (connection.Cluster)
        {
            using var reader = new DeadLetterReader(connection.Cluster, connection.Options, logs.CreateLogger<DeadLetterReader>());
            return await work(reader, connection, logs);
        }
    }

    // Reading blocks in native code: not on the caller's thread.
    private static Task<long> ReadAsync(DeadLetterReader reader, LetterPosition? from, Func<StoredLetter, ValueTask> each, CancellationToken cancellationToken) =>
        Output.WithProgressAsync("reading", reader.Count, "letters", report => Task.Run(
            async () =>
            {
                var read = 0L;
                foreach (var letter in reader.Read(from, cancellationToken))
                {
                    await each(letter);
                    if (++read % 256 == 0)
                    {
                        report(read);
                    }
                }

                return read;
            },
            cancellationToken));

    private static bool Fits(StoredLetter letter, string? code) => code is null || CodeOf(letter) == code;

    private static string CodeOf(StoredLetter letter) => letter.Code ?? "";

    private static DateTimeOffset WrittenAt(StoredLetter letter) => letter.At ?? DateTimeOffset.MinValue;

    private static void Write(List<StoredLetter> letters, Dictionary<string, long> codes, bool json)
    {
        var total = codes.Values.Sum();
        if (json)
        {
            Output.WriteJson(new
            {
                Total = total,
                Codes = codes.OrderByDescending(c => c.Value).ToDictionary(c => c.Key, c => c.Value),
                Letters = letters.Select(l => new
                {
                    Letter = l.Position.ToString(),
                    l.At,
                    l.Topic,
                    l.Partition,
                    l.Offset,
                    l.Code,
                    l.Message,
                    l.Attempts,
                    l.OmittedBytes,
                }),
            });
            return;
        }

        if (letters.Count > 0)
        {
            Output.WriteTable(
                ["letter", "at", "topic", "partition", "offset", "attempts", "code", "message"],
                letters.Select(l => (IReadOnlyList<string>)
                [
                    l.Position.ToString(), l.At?.ToString("u", CultureInfo.InvariantCulture) ?? "", l.Topic ?? "", Text(l.Partition), Text(l.Offset), Text(l.Attempts),
                    l.Code ?? "", l.Message ?? "",
                ]));
        }

        Console.WriteLine(total == 0
            ? "No letters."
            : $"{total:N0} letters: {string.Join(", ", codes.OrderByDescending(c => c.Value).Select(c => $"{(c.Key.Length == 0 ? "without a code" : Output.Harmless(c.Key))} ({c.Value:N0})"))}");
    }

    private static void Write(SortedDictionary<string, long> sent, Dictionary<ReplayRefusal, long> refused, bool dryRun, bool json)
    {
        long Of(ReplayRefusal refusal) => refused.GetValueOrDefault(refusal);
        if (json)
        {
            Output.WriteJson(new
            {
                DryRun = dryRun,
                Sent = sent.Values.Sum(),
                Topics = sent,
                WithoutBytes = Of(ReplayRefusal.WithoutBytes),
                TooManyAttempts = Of(ReplayRefusal.TooManyAttempts),
                Foreign = Of(ReplayRefusal.Foreign),
            });
            return;
        }

        var topics = sent.Count == 0 ? "" : $" to {string.Join(", ", sent.Select(t => $"{t.Key} ({t.Value:N0})"))}";
        Console.WriteLine($"{(dryRun ? "Would send" : "Sent")} {sent.Values.Sum():N0} letters back{topics}.");
        string?[] reasons =
        [
            Of(ReplayRefusal.WithoutBytes) is > 0 and var bare ? $"{bare:N0} whose bytes were too large to keep" : null,
            Of(ReplayRefusal.TooManyAttempts) is > 0 and var tired ? $"{tired:N0} that failed {DeadLetterReplay.MaxAttempts} times or more (--all sends them too)" : null,
            Of(ReplayRefusal.Foreign) is > 0 and var foreign ? $"{foreign:N0} from partitions that these settings do not read (Kafka:Topics)" : null,
        ];
        if (reasons.OfType<string>().ToList() is { Count: > 0 } left)
        {
            Console.WriteLine($"Left out: {string.Join(", ", left)}.");
        }
    }

    private static string Text(long? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";
}

using System.Globalization;
using Confluent.Kafka;

namespace StreamRec.Kafka;

/// <summary>What can be told to a running <c>streamrec broker</c> on its standard input, a line each: faults to try a client against, and what was dropped.</summary>
/// <param name="broker">The broker, started by this process.</param>
/// <param name="options">How to reach it.</param>
public sealed class BrokerControl(KafkaCluster broker, KafkaOptions options)
{
    public const string Usage = "down | up | rtt <ms> | errors <api> <code> <count> | dropped";

    private const int MaxRttMs = 60_000;
    private const int MaxErrors = 10_000;

    // Kafka's numbers of the requests that clients of StreamRec make.
    private static readonly Dictionary<string, short> Apis = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Produce"] = 0,
        ["Fetch"] = 1,
        ["ListOffsets"] = 2,
        ["Metadata"] = 3,
        ["OffsetCommit"] = 8,
        ["OffsetFetch"] = 9,
        ["FindCoordinator"] = 10,
        ["JoinGroup"] = 11,
        ["Heartbeat"] = 12,
        ["LeaveGroup"] = 13,
        ["SyncGroup"] = 14,
        ["InitProducerId"] = 22,
    };

    /// <summary>Answers lines until there are no more, or until the command ends.</summary>
    /// <param name="input">One command a line.</param>
    /// <param name="answer">Gets what was asked for, or null where there is nothing to say.</param>
    /// <param name="refuse">Gets why a line was not understood, or what failed.</param>
    /// <param name="cancellationToken">The command ends.</param>
    public async Task RunAsync(TextReader input, Action<IReadOnlyDictionary<string, long[]>?> answer, Action<string> refuse, CancellationToken cancellationToken)
    {
        // Reading standard input blocks and cannot be cancelled: it has a thread of its own, which ends with the process.
        while (await Task.Run(input.ReadLine, CancellationToken.None).WaitAsync(cancellationToken) is { } line)
        {
            try
            {
                answer(await Task.Run(() => Obey(line), cancellationToken));
            }
            catch (Exception failure) when (failure is FormatException or KafkaException)
            {
                refuse(failure.Message);
            }
        }
    }

    /// <exception cref="FormatException">The line is none of <see cref="Usage"/>.</exception>
    /// <exception cref="KafkaException">The broker does not answer, for example because it is down.</exception>
    private IReadOnlyDictionary<string, long[]>? Obey(string line)
    {
        switch (line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            case ["down"]:
                broker.Broker!.SetDown();
                return null;
            case ["up"]:
                broker.Broker!.SetUp();
                return null;
            case ["rtt", var milliseconds]:
                broker.Broker!.SetRoundTripTime(TimeSpan.FromMilliseconds(Number("rtt", milliseconds, 0, MaxRttMs)));
                return null;
            case ["errors", var api, var code, var count]:
                broker.Broker!.PushRequestErrors(Api(api), [.. Enumerable.Repeat(Code(code), Number("count", count, 1, MaxErrors))]);
                return null;
            case ["dropped"]:
                return DroppedRecords.Count(broker, options);
            default:
                throw new FormatException($"'{line}' is not a command; there are: {Usage}.");
        }
    }

    private static int Number(string what, string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new FormatException($"{what} is {text}; it must be in [{least}, {most}].");

    private static short Api(string text) => Apis.TryGetValue(text, out var api)
        ? api
        : throw new FormatException($"api is {text}; it must be one of {string.Join(", ", Apis.Keys)}.");

    private static ErrorCode Code(string text) => Enum.TryParse<ErrorCode>(text, ignoreCase: true, out var code) && Enum.IsDefined(code) && code > 0
        ? code
        : throw new FormatException($"code is {text}; it must be a number or name of Kafka's errors, such as {ErrorCode.NotLeaderForPartition} or {(int)ErrorCode.NotLeaderForPartition}.");
}

using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Server;

namespace StreamRec.Cli.Bench;

/// <summary>After kill -9: users' sequences read back and compared, the time until a server is ready, and the first list of a user not in memory.</summary>
internal sealed class RecoveryBench : IDisposable
{
    public const int Users = 1_000_000;
    public const int History = 10;
    public const int ReadBack = 100_000;
    public const string Sequences = "sequences read back and compared";
    public const string Ready = "process start to ready";
    public const string FirstList = "list of a cold user, median";
    public const string FirstListSlow = "list of a cold user, 99th percentile";
    public const string VeryFirst = "very first list after the start";

    private const int UsersInLoad = 1_000;
    private const int ColdLists = 1_000;
    private const int WarmLists = 100;

    private static readonly Population Stored = new(Users, History);

    private readonly ScratchDirectory _scratch = new();
    private readonly BehaviorSequence[] _expected;

    private RecoveryBench()
    {
        var users = Enumerable.Range(0, Users).ToArray();
        new Random(1).Shuffle(users);
        _expected = [.. users.Take(ReadBack).Select(Stored.Expected)];
    }

    public static string Workload =>
        $"{Users:N0} users with {History} interactions each, SQLite, the process that wrote them killed with SIGKILL while it went on; {ReadBack:N0} of them at random read in "
        + $"{UsersInLoad:N0}s and compared entry by entry; a server with a model started on all of them, asked for lists of {ColdLists:N0} others over HTTP, killed.";

    /// <summary>The journal's file, for an anchor that reads it.</summary>
    public string JournalPath => Path.Combine(Data, "journal.db");

    /// <summary>Who is read back, in this order.</summary>
    public IEnumerable<string> ReadBackIds => _expected.Select(state => state.UserId);

    public IReadOnlyList<Contestant> Contestants => [ReadBackAsync, ReadyAsync];

    private string Data => _scratch["data"];

    /// <summary>Stores everybody in a process that is killed, and looks that what it was promised is there.</summary>
    public static async Task<RecoveryBench> StartAsync(CancellationToken cancellationToken)
    {
        var bench = new RecoveryBench();
        try
        {
            await bench.StoreAndKillAsync(cancellationToken);
            return bench;
        }
        catch
        {
            bench.Dispose();
            throw;
        }
    }

    /// <summary>The process that is killed: stores everybody, then goes on with others until it is.</summary>
    public static async Task StoreAsync(string data, CancellationToken cancellationToken)
    {
        await using var offline = await OpenAsync(data, cancellationToken);
        var lease = await Stored.StoreAsync(
            offline.Journal,
            static users =>
            {
                if (users % 20_000 == 0)
                {
                    Output.WriteJson(new { Users = users });
                }
            },
            cancellationToken);
        ServedModel.Activate(offline);
        for (var (offset, more) = (lease.NextOffset, 0); ; more++)
        {
            var segment = Population.SegmentOf(offset, [new Population(1, History).Expected(Users + more)]);
            await offline.Journal.AppendAsync(lease, segment, cancellationToken);
            offset = segment.NextOffset;
            Output.WriteJson(new { Appended = offset });
        }
    }

    public void Dispose() => _scratch.Dispose();

    private async Task StoreAndKillAsync(CancellationToken cancellationToken)
    {
        var promised = await Output.WithProgressAsync("storing", Users, "users", async report =>
        {
            await using var child = Child.Start("bench", "store", Data);
            for (var appends = 0; ;)
            {
                var line = await child.ReadAsync(cancellationToken);
                if (line.TryGetProperty("users", out var users))
                {
                    report(users.GetDouble());
                }
                else if (++appends == 100)
                {
                    await child.KillAsync();
                    return line.GetProperty("appended").GetInt64();
                }
            }
        });
        await using var offline = await OpenAsync(Data, cancellationToken);
        var found = (await offline.Journal.StatisticsAsync(cancellationToken)).Interactions;
        if (found < promised)
        {
            throw new BenchFailedException($"The journal had acknowledged {promised:N0} interactions before it was killed and holds {found:N0}.");
        }
    }

    private async Task<IReadOnlyList<Sample>> ReadBackAsync(int round, CancellationToken cancellationToken)
    {
        await using var journal = await SegmentJournal.OpenAsync(
            new JournalOptions { Path = JournalPath }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, cancellationToken);
        var measured = await Measurement.OfAsync(ReadBack, async () =>
        {
            foreach (var expected in _expected.Chunk(UsersInLoad))
            {
                var states = await journal.LoadUsersAsync([.. expected.Select(state => state.UserId)], cancellationToken);
                for (var i = 0; i < expected.Length; i++)
                {
                    if (states[i] is not { } state || !Same(state, expected[i]))
                    {
                        throw new BenchFailedException($"The sequence of {expected[i].UserId} came back different.");
                    }
                }
            }
        });
        return [measured.As(Sequences, "users")];
    }

    private async Task<IReadOnlyList<Sample>> ReadyAsync(int round, CancellationToken cancellationToken)
    {
        await using var broker = await BrokerChild.StartAsync(partitions: 8, cancellationToken);
        var started = Stopwatch.GetTimestamp();
        await using var server = await ServerChild.StartAsync(Data, broker.BootstrapServers, cancellationToken);
        var ready = Stopwatch.GetElapsedTime(started).TotalSeconds;

        // Users of other rounds are not asked again.
        var lists = new List<double>();
        foreach (var user in Enumerable.Range(0, WarmLists + ColdLists))
        {
            var asked = Stopwatch.GetTimestamp();
            var list = await server.Http.GetStringAsync($"recommendations/{Population.UserId(Users - 1 - user)}?k=10", cancellationToken);
            lists.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
            if (!list.Contains("\"rank\":10,", StringComparison.Ordinal) || !list.Contains("\"fallback\":null", StringComparison.Ordinal))
            {
                throw new BenchFailedException($"That is no list of ten from the model: {list}");
            }
        }

        await server.KillAsync();
        var cold = lists.Skip(WarmLists).Order().ToArray();
        return
        [
            new Sample(Ready, ready, "s"),
            new Sample(VeryFirst, lists[0], "ms"),
            new Sample(FirstList, cold[cold.Length / 2], "ms"),
            new Sample(FirstListSlow, cold[(cold.Length * 99 / 100) - 1], "ms"),
        ];
    }

    private static bool Same(BehaviorSequence one, BehaviorSequence other) =>
        one.UserId == other.UserId
        && one.Count == other.Count
        && one.LastTimestampMs == other.LastTimestampMs
        && one.Entries.SequenceEqual(other.Entries)
        && one.RecentEvents.SequenceEqual(other.RecentEvents);

    private static Task<OfflineData> OpenAsync(string data, CancellationToken cancellationToken) => OfflineData.OpenAsync(
        StreamRecOptions.Load(null, [new("Server:DataDirectory", data)]), JournalAccess.Exclusive, NullLoggerFactory.Instance, cancellationToken);
}

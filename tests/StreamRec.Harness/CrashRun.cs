using System.Diagnostics;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.Harness;

/// <summary>What a crash run does.</summary>
/// <param name="Kills">How often the server is killed.</param>
/// <param name="Seed">Of the traffic, of the order of the places and of the moments.</param>
public sealed record CrashOptions(int Kills, int Seed)
{
    /// <summary>A PostgreSQL journal; null for SQLite.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>The embedded broker holds about 5 MiB of each.</summary>
    public int Partitions { get; init; } = 8;

    public int Users { get; init; } = 300;

    public int PerSecond { get; init; } = 400;
}

/// <summary>What came of a crash run.</summary>
/// <param name="Kills">By place; <c>random</c> are kills at a random moment.</param>
/// <param name="NotReached">Kills at places that the server did not come to in time: it was killed anyway, at a random moment.</param>
/// <param name="Records">Records sent, unusable and repeated ones included.</param>
/// <param name="Duplicates">Repeated ones.</param>
/// <param name="DeadLetters">Unusable ones.</param>
/// <param name="Lists">Lists read.</param>
/// <param name="ReadyMs">From the start of the process to ready, for each restart that came so far.</param>
/// <param name="Violations">Of the invariants; none is what counts.</param>
public sealed record CrashReport(
    IReadOnlyDictionary<string, int> Kills,
    IReadOnlyDictionary<string, int> NotReached,
    int Records,
    int Duplicates,
    int DeadLetters,
    long Lists,
    IReadOnlyList<double> ReadyMs,
    IReadOnlyList<string> Violations);

/// <summary>Runs the real server under traffic, kills it with -9 at named places and at random moments, and checks what is left of it.</summary>
/// <remarks>
/// The broker has a process of its own and stays; the traffic never stops until the last kill. Then a last server has to bring everything to its
/// end: each interaction journaled once and in order, each user's newest list out, each unusable record in the dead letters.
/// </remarks>
public sealed class CrashRun
{
    private const string RandomMoment = "random";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly CrashOptions _options;
    private readonly string _directory;
    private readonly Action<string> _progress;
    private readonly Random _random;
    private readonly Dictionary<string, int> _kills = [];
    private readonly Dictionary<string, int> _notReached = [];
    private readonly List<double> _readyMs = [];
    private int _starts;
    private string _group = "";

    private CrashRun(CrashOptions options, string directory, Action<string> progress)
    {
        _options = options;
        _directory = directory;
        _progress = progress;
        _random = new Random(options.Seed);
    }

    /// <param name="options">What to do.</param>
    /// <param name="directory">Empty; for the server's data.</param>
    /// <param name="progress">Told a line for each kill.</param>
    public static async Task<CrashReport> RunAsync(CrashOptions options, string directory, Action<string> progress) =>
        await new CrashRun(options, directory, progress).RunAsync();

    private string Data => Path.Combine(_directory, "data");

    private async Task<CrashReport> RunAsync()
    {
        await using var broker = await BrokerProcess.StartAsync(_options.Partitions);
        using var lists = new ListWatcher(broker.BootstrapServers);
        await using var traffic = new CrashTraffic(broker.BootstrapServers, _options.Users, _options.PerSecond, _options.Seed);
        foreach (var (kill, place) in Places().Take(_options.Kills).Index())
        {
            await KillAsync(broker, place);
            _progress($"kill {kill + 1} of {_options.Kills}: {place?.ToString() ?? RandomMoment}, {traffic.Sent.Count:N0} records, {lists.Count:N0} lists");
        }

        await traffic.StopAsync();
        traffic.ReadBack();
        var check = CrashCheck.Of(traffic);

        await using (var last = await ServerProcess.WhenReadyAsync(Start(broker, null, "Training:Mode=Off"), Data))
        {
            await FinishAsync(lists, check, last);
        }

        check.Lists(lists);
        check.DeadLetters(broker.BootstrapServers);
        await check.NothingDroppedAsync(broker);
        await check.JournalAsync(JournalOptions(), broker.BootstrapServers, _group, _options.Partitions);
        return new CrashReport(
            _kills, _notReached, traffic.Sent.Count, check.Duplicates, traffic.Sent.Values.Count(record => !record.IsUsable), lists.Count, _readyMs,
            check.Violations);
    }

    private static async Task FinishAsync(ListWatcher lists, CrashCheck check, ServerProcess last)
    {
        // Whose is missing, the check of the lists says.
        await lists.AllInTimeAsync(check.Sequences);
        last.Process.Terminate();
        var code = await last.Process.ExitAsync();
        check.Check(code == 0, $"the last server ended with {code}: {last.Process.Describe()}");
    }

    /// <summary>All places and some random moments, in a new order each time round.</summary>
    private IEnumerable<Failpoint?> Places()
    {
        while (true)
        {
            Failpoint?[] places = [.. Enum.GetValues<Failpoint>().Select(place => (Failpoint?)place), null, null, null];
            _random.Shuffle(places);
            foreach (var place in places)
            {
                yield return place;
            }
        }
    }

    private async Task KillAsync(BrokerProcess broker, Failpoint? place)
    {
        var started = Stopwatch.GetTimestamp();
        var reached = true;
        var process = Start(broker, place is null ? null : $"{place}:{Times(place.Value)}");
        try
        {
            if (place is null && _random.Next(3) == 0)
            {
                // While it starts.
                await Task.Delay(_random.Next(1500));
                process.Kill();
            }

            await using var server = await ServerProcess.WhenReadyAsync(process, Data);
            _readyMs.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            if (place is null)
            {
                await Task.Delay(_random.Next(6000));
                process.Kill();
            }

            await DriveAsync(server, place);
            reached = process.HasExited;
        }
        catch (ServerEndedException)
        {
            // Before it was ready.
        }

        Count(reached ? _kills : _notReached, place?.ToString() ?? RandomMoment);
    }

    // A server assigns its partitions once, and gives them up once.
    private int Times(Failpoint place) => _random.Next(2) == 0 || place is Failpoint.PartitionOpened or Failpoint.PartitionsRevoked ? 1 : _random.Next(2, 8);

    /// <summary>Waits for the end, and does what leads to the place where that needs somebody.</summary>
    private static async Task DriveAsync(ServerProcess server, Failpoint? place)
    {
        for (var waited = Stopwatch.StartNew(); !server.Process.HasExited && waited.Elapsed < Patience; await Task.Delay(100))
        {
            if (place is Failpoint.PartitionsRevoked && waited.Elapsed > Patience / 3)
            {
                server.Process.Terminate();
                await server.Process.ExitAsync();
            }
        }
    }

    private StreamRecProcess Start(BrokerProcess broker, string? failpoint, params IEnumerable<string> more)
    {
        // Models are trained and moved all the time. A group of its own for each server: in the same one it would have to wait until the dead
        // member's session ends, and where it goes on is in the journal anyway.
        List<string> settings =
        [
            "Training:Family=transitions", "Training:EveryInteractions=150", "Training:MinInteractions=10", "Training:MinNdcgRatio=0",
            $"Kafka:GroupId={_group = $"crash-{_starts++}"}", .. more,
        ];
        if (_options.ConnectionString is { } connection)
        {
            settings.Add($"Journal:ConnectionString={connection}");
        }

        return StreamRecProcess.StartWith((Failpoints.Variable, failpoint ?? ""), ServerProcess.Arguments(Data, broker.BootstrapServers, settings));
    }

    private JournalOptions JournalOptions() => _options.ConnectionString is { } connection
        ? new JournalOptions { ConnectionString = connection }
        : new JournalOptions { Path = Path.Combine(Data, "journal.db") };

    private static void Count(Dictionary<string, int> counts, string place) => counts[place] = counts.GetValueOrDefault(place) + 1;
}

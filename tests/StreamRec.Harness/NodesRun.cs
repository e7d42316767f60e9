using System.Diagnostics;
using StreamRec.Journal;

namespace StreamRec.Harness;

/// <summary>What a run of several nodes does.</summary>
/// <param name="Users">Who each have some interactions.</param>
public sealed record NodesOptions(int Users)
{
    /// <summary>A PostgreSQL journal; null for a server made for the run.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>The embedded broker holds about 5 MiB of each.</summary>
    public int Partitions { get; init; } = 24;

    public int PerSecond { get; init; } = 1000;

    public int Seed { get; init; } = 1;
}

/// <summary>What came of a run of several nodes.</summary>
/// <param name="Records">Records sent.</param>
/// <param name="Users">Users with interactions.</param>
/// <param name="Lists">Lists read.</param>
/// <param name="Standstills">For each fault: from it until everybody had a list with all that was sent up to a second after it.</param>
/// <param name="Behind">Users without their newest list when the last fault was over.</param>
/// <param name="Recovered">From then until everybody had it.</param>
/// <param name="Violations">None is what counts.</param>
public sealed record NodesReport(
    int Records,
    int Users,
    long Lists,
    IReadOnlyList<(string Fault, TimeSpan Length)> Standstills,
    int Behind,
    TimeSpan Recovered,
    IReadOnlyList<string> Violations);

/// <summary>Three nodes on one database and one broker under traffic: one is killed, one is frozen, one joins, and the frozen one comes back.</summary>
public sealed class NodesRun : IAsyncDisposable
{
    /// <summary>How soon after the last fault everybody must have the newest list (INV-14).</summary>
    public static readonly TimeSpan SoonEnough = TimeSpan.FromSeconds(30);

    private const string Group = "nodes";
    // Only ends a run that has failed.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private readonly NodesOptions _options;
    private readonly string _directory;
    private readonly Action<string> _progress;
    private readonly PostgresServer _database = new();
    private readonly List<ServerProcess> _nodes = [];
    private readonly List<(string Fault, TimeSpan Length)> _standstills = [];

    private NodesRun(NodesOptions options, string directory, Action<string> progress)
    {
        _options = options;
        _directory = directory;
        _progress = progress;
    }

    /// <param name="options">What to do.</param>
    /// <param name="directory">Empty; for the nodes' data.</param>
    /// <param name="progress">Told what goes on.</param>
    /// <exception cref="InvalidOperationException">There is no PostgreSQL here.</exception>
    public static async Task<NodesReport> RunAsync(NodesOptions options, string directory, Action<string> progress)
    {
        await using var run = new NodesRun(options, directory, progress);
        return await run.RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        await _database.DisposeAsync();
    }

    private async Task<NodesReport> RunAsync()
    {
        var connection = _options.ConnectionString ?? await NewDatabaseAsync();
        await using var broker = await BrokerProcess.StartAsync(_options.Partitions);
        // A node that comes back from its freeze may still send lists that it had computed.
        using var lists = new ListWatcher(broker.BootstrapServers) { ToleratesOlderLists = true };
        var (killed, frozen, steady) = (await StartAsync(broker, connection), await StartAsync(broker, connection), await StartAsync(broker, connection));
        await using var traffic = new CrashTraffic(broker.BootstrapServers, _options.Users, _options.PerSecond, _options.Seed);

        // Everybody has interactions by the first fault; between one fault and the next is some traffic that meets none.
        await SentAsync(traffic, _options.Users);
        await FaultAsync("one node killed", () => killed.Process.Kill(), lists, traffic);
        await SentAsync(traffic, _options.Users * 3 / 2);
        await FaultAsync("one node frozen", () => frozen.Process.Suspend(), lists, traffic);
        await SentAsync(traffic, _options.Users * 2);
        var joined = await StartAsync(broker, connection);
        await FaultAsync("a new node", () => { }, lists, traffic);
        await Eventually.TrueAsync(
            () => joined.Process.Errors.Contains("opened at offset", StringComparison.Ordinal), "the new node's partitions", joined.Process.Describe);
        await SentAsync(traffic, _options.Users * 5 / 2);
        frozen.Process.Resume();

        var over = Stopwatch.GetTimestamp();
        var sent = traffic.Sequences();
        var behind = lists.Missing(sent);
        await traffic.StopAsync();
        sent = traffic.Sequences();
        await AllListsAsync(lists, sent);
        var recovered = Stopwatch.GetElapsedTime(over);
        _progress($"everybody's list {recovered.TotalSeconds:F1} s after the last fault");
        traffic.ReadBack();
        var check = CrashCheck.Of(traffic);
        check.Check(recovered <= SoonEnough, $"INV-14: everybody's newest list was out {recovered.TotalSeconds:F1} s after the last fault");
        foreach (var node in new[] { steady, joined, frozen })
        {
            node.Process.Terminate();
            var code = await node.Process.ExitAsync();
            check.Check(code == 0, $"a node ended with {code}: {node.Process.Describe()}");
        }

        check.Lists(lists);
        check.DeadLetters(broker.BootstrapServers);
        await check.NothingDroppedAsync(broker);
        await check.JournalAsync(new JournalOptions { ConnectionString = connection }, broker.BootstrapServers, Group, _options.Partitions);
        return new NodesReport(traffic.Sent.Count, sent.Count, lists.Count, _standstills, behind, recovered, check.Violations);
    }

    private async Task<string> NewDatabaseAsync()
    {
        await _database.InitializeAsync();
        return _database.Missing is { } missing ? throw new InvalidOperationException(missing) : _database.NewSchema();
    }

    private async Task<ServerProcess> StartAsync(BrokerProcess broker, string connection)
    {
        var node = await ServerProcess.StartAsync(
            Path.Combine(_directory, $"node-{_nodes.Count}"), broker.BootstrapServers, "Training:Mode=Off", $"Kafka:GroupId={Group}",
            $"Journal:ConnectionString={connection}");
        _nodes.Add(node);
        return node;
    }

    /// <summary>Brings a fault and waits until those whom it has met are served.</summary>
    private async Task FaultAsync(string fault, Action bring, ListWatcher lists, CrashTraffic traffic)
    {
        bring();
        var began = Stopwatch.GetTimestamp();
        // Not to synchronise: the traffic that meets the fault.
        await Task.Delay(TimeSpan.FromSeconds(1));
        await AllListsAsync(lists, traffic.Sequences());
        _standstills.Add((fault, Stopwatch.GetElapsedTime(began)));
        _progress($"{fault}: served after {_standstills[^1].Length.TotalSeconds:F1} s; {traffic.Sent.Count:N0} records, {lists.Count:N0} lists");
    }

    /// <summary>Whose list is missing when the patience ends, the check of the lists says.</summary>
    private static async Task AllListsAsync(ListWatcher lists, Dictionary<string, long> sent)
    {
        for (var waited = Stopwatch.StartNew(); lists.Missing(sent) > 0 && waited.Elapsed < Patience;)
        {
            await Task.Delay(100);
        }
    }

    private static async Task SentAsync(CrashTraffic traffic, int records)
    {
        for (var waited = Stopwatch.StartNew(); traffic.Sent.Count < records; await Task.Delay(100))
        {
            if (waited.Elapsed > Patience)
            {
                throw new TimeoutException($"Only {traffic.Sent.Count:N0} of {records:N0} records were sent within {Patience}.");
            }
        }
    }
}

using System.Diagnostics;
using StreamRec.Journal;

namespace StreamRec.Harness;

/// <summary>What an outage run does.</summary>
/// <param name="Length">Of each outage.</param>
public sealed record OutageOptions(TimeSpan Length)
{
    /// <summary>A PostgreSQL journal that stays up, so that only the broker goes away; null for a server made for the run, which goes away first.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>The embedded broker holds about 5 MiB of each: 40 minutes of the traffic.</summary>
    public int Partitions { get; init; } = 24;

    public int Users { get; init; } = 2000;

    public int PerSecond { get; init; } = 200;

    public int Seed { get; init; } = 1;
}

/// <summary>What was seen of one outage.</summary>
/// <param name="Of">What was away.</param>
/// <param name="Memory">The server's physical memory in bytes: when the outage began, then each second until it ended.</param>
/// <param name="FirstList">From the return until a list came.</param>
/// <param name="CaughtUp">From the return until everybody had a list with all that had been sent by the return.</param>
/// <param name="Behind">Users who had not, at the return.</param>
public sealed record Outage(string Of, IReadOnlyList<long> Memory, TimeSpan FirstList, TimeSpan CaughtUp, int Behind)
{
    public long Growth => Memory.Max() - Memory[0];
}

/// <summary>What came of an outage run.</summary>
public sealed record OutageReport(IReadOnlyList<Outage> Outages, int Records, long Lists, IReadOnlyList<string> Violations);

/// <summary>Takes the database away from the real server under traffic, then the broker, and looks at its memory, its return and what is left.</summary>
public sealed class OutageRun
{
    /// <summary>What the server's memory may grow by during an outage, in bytes.</summary>
    public const long MostGrowth = 64 << 20;

    /// <summary>How soon after the return there must be lists.</summary>
    public static readonly TimeSpan SoonEnough = TimeSpan.FromSeconds(5);

    private const string Group = "outages";

    // Only ends a run that has failed.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private readonly OutageOptions _options;
    private readonly Action<string> _progress;
    private readonly List<Outage> _outages = [];

    private OutageRun(OutageOptions options, Action<string> progress)
    {
        _options = options;
        _progress = progress;
    }

    /// <param name="options">What to do.</param>
    /// <param name="directory">Empty; for the server's data.</param>
    /// <param name="progress">Told what goes on, some lines a minute.</param>
    /// <exception cref="InvalidOperationException">There is no PostgreSQL here.</exception>
    public static async Task<OutageReport> RunAsync(OutageOptions options, string directory, Action<string> progress)
    {
        await using var database = new PostgresServer();
        if (options.ConnectionString is null)
        {
            await database.InitializeAsync();
            if (database.Missing is { } missing)
            {
                throw new InvalidOperationException(missing);
            }
        }

        return await new OutageRun(options, progress).RunAsync(database, Path.Combine(directory, "data"));
    }

    private async Task<OutageReport> RunAsync(PostgresServer database, string data)
    {
        var connection = _options.ConnectionString ?? database.NewSchema();
        await using var broker = await BrokerProcess.StartAsync(_options.Partitions);
        // The embedded broker takes a batch twice whose answer was lost, older lists of a user behind newer ones: consumers leave those aside.
        using var lists = new ListWatcher(broker.BootstrapServers) { ToleratesOlderLists = true };
        await using var traffic = new CrashTraffic(broker.BootstrapServers, _options.Users, _options.PerSecond, _options.Seed);
        CrashCheck check;
        await using (var server = await ServerProcess.StartAsync(
            data, broker.BootstrapServers, "Training:Mode=Off", $"Journal:ConnectionString={connection}", $"Kafka:GroupId={Group}"))
        {
            await CaughtUpAsync(lists, traffic.Sequences(), server);
            // Memory of its own accord comes to rest in the first minute: code, caches, the users.
            await WatchAsync("warming up", Shorter(_options.Length, TimeSpan.FromMinutes(1)), server, lists, traffic);
            if (_options.ConnectionString is null)
            {
                await OutageAsync("database", () => database.StopAsync("immediate"), database.StartAsync, server, lists, traffic);
            }

            await OutageAsync("broker", broker.DownAsync, broker.UpAsync, server, lists, traffic);
            await traffic.StopAsync();
            traffic.ReadBack();
            check = CrashCheck.Of(traffic);
            await lists.AllInTimeAsync(check.Sequences);
            server.Process.Terminate();
            var code = await server.Process.ExitAsync();
            check.Check(code == 0, $"the server ended with {code}: {server.Process.Describe()}");
        }

        CheckOutages(check);
        check.Lists(lists);
        check.DeadLetters(broker.BootstrapServers);
        await check.NothingDroppedAsync(broker);
        await check.JournalAsync(new JournalOptions { ConnectionString = connection }, broker.BootstrapServers, Group, _options.Partitions);
        return new OutageReport(_outages, traffic.Sent.Count, lists.Count, check.Violations);
    }

    private async Task OutageAsync(
        string of, Func<Task> take, Func<Task> giveBack, ServerProcess server, ListWatcher lists, CrashTraffic traffic)
    {
        await take();
        var memory = await WatchAsync($"without {of}", _options.Length, server, lists, traffic);
        await giveBack();
        var back = Stopwatch.GetTimestamp();
        var (sent, count) = (traffic.Sequences(), lists.Count);
        var behind = lists.Missing(sent);
        await UntilAsync(() => lists.Count > count, $"a list after the {of} is back", server);
        var first = Stopwatch.GetElapsedTime(back);
        await CaughtUpAsync(lists, sent, server);
        _outages.Add(new Outage(of, memory, first, Stopwatch.GetElapsedTime(back), behind));
        _progress($"{of} back: first list after {first.TotalSeconds:F1} s, caught up after {_outages[^1].CaughtUp.TotalSeconds:F1} s");
    }

    /// <summary>The server's memory, second by second.</summary>
    private async Task<List<long>> WatchAsync(string what, TimeSpan length, ServerProcess server, ListWatcher lists, CrashTraffic traffic)
    {
        var memory = new List<long> { server.Process.ResidentBytes };
        for (var began = Stopwatch.StartNew(); began.Elapsed < length;)
        {
            // Not to synchronise: this is the outage.
            await Task.Delay(TimeSpan.FromSeconds(1));
            memory.Add(server.Process.ResidentBytes);
            if (memory.Count % 30 == 0)
            {
                _progress($"{what} for {began.Elapsed:mm\\:ss}: {memory[^1] >> 20} MiB, {traffic.Sent.Count:N0} records, {lists.Count:N0} lists");
            }
        }

        return memory;
    }

    private static Task CaughtUpAsync(ListWatcher lists, Dictionary<string, long> sent, ServerProcess server) =>
        UntilAsync(() => lists.Missing(sent) == 0, "everybody's list", server);

    private static async Task UntilAsync(Func<bool> condition, string what, ServerProcess server)
    {
        for (var waited = Stopwatch.StartNew(); !condition(); await Task.Delay(25))
        {
            if (waited.Elapsed > Patience || server.Process.HasExited)
            {
                throw new TimeoutException($"Not within {waited.Elapsed}: {what}. {server.Process.Describe()}");
            }
        }
    }

    private void CheckOutages(CrashCheck check)
    {
        foreach (var outage in _outages)
        {
            check.Check(outage.Growth <= MostGrowth, $"the server grew by {outage.Growth >> 20} MiB while the {outage.Of} was away");
            check.Check(outage.FirstList <= SoonEnough, $"the first list came {outage.FirstList.TotalSeconds:F1} s after the {outage.Of} was back");
        }
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;
}

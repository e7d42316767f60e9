namespace StreamRec.Cli.Bench;

/// <summary>
/// The whole path as it is deployed: an interaction of each user through Kafka, actor, synced journal, RecGPT and back to Kafka, seen from outside. Every
/// user has 50 interactions already, so every window is full, and sends again only when the list is long out, so nothing is superseded.
/// </summary>
internal sealed class PathBench : IDisposable
{
    public const string Server = "interaction to list";
    public const int Partitions = 8;

    private const int Users = 20_000;
    private const int WarmUp = 2_000;

    // What the embedded broker keeps of these records, so that none is lost however far behind the reader falls.
    private const int MostSent = 150_000;

    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);

    private readonly ScratchDirectory _scratch = new();

    public static string Workload =>
        $"{Users:N0} users with {ServedModel.Window} interactions each, RecGPT d = 64, L = 50, 2 layers, {Population.Items:N0} items, random weights, k = 10, {Partitions} partitions; "
        + "server, broker and the traffic are three processes on the same cores; the journal synced; from the record's sending to the list's arrival at another client.";

    public IReadOnlyList<Contestant> Contestants => [ServeAsync];

    /// <summary>Half of what the server was last seen to do, in lists a second: the load that others are compared at.</summary>
    public double HalfLoad { get; private set; }

    /// <summary>Stores the users and makes the model serve.</summary>
    public static async Task<PathBench> StartAsync(CancellationToken cancellationToken)
    {
        var bench = new PathBench();
        try
        {
            await ServedModel.PrepareAsync(bench._scratch["data"], Users, cancellationToken);
            return bench;
        }
        catch
        {
            bench.Dispose();
            throw;
        }
    }

    /// <summary>Measures something that answers each record of one topic with one in the other.</summary>
    /// <param name="name">What it is.</param>
    /// <param name="start">Starts it on a broker.</param>
    /// <param name="flood">Records to send as fast as it goes.</param>
    /// <param name="loads">Rates to send at afterwards: a name for each, and the rate from the highest one found.</param>
    /// <param name="mustHave">As in <see cref="EndToEnd"/>.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<IReadOnlyList<Sample>> MeasureAsync(
        string name,
        Func<string, Task<IResponder>> start,
        int flood,
        IReadOnlyList<(string Name, Func<double, double> Rate)> loads,
        byte[]? mustHave,
        CancellationToken cancellationToken)
    {
        await using var broker = await BrokerChild.StartAsync(Partitions, cancellationToken);
        await using var responder = await start(broker.BootstrapServers);
        using var path = new EndToEnd(broker.BootstrapServers, Partitions, Users, capacity: 10_000_000, mustHave);
        await path.FloodAsync(WarmUp, cancellationToken);

        var before = responder.ProcessorTime;
        var wall = await path.FloodAsync(flood, cancellationToken);
        var measured = new Measurement(flood, wall, responder.ProcessorTime - before);
        var samples = new List<Sample> { measured.As($"{name}, as fast as it goes", "lists") };
        foreach (var load in loads)
        {
            var rate = load.Rate(measured.PerSecond);
            var (p50, p99) = await path.PacedAsync(rate, (int)Math.Min(rate * Duration.TotalSeconds, MostSent), cancellationToken);
            samples.Add(new Sample($"{name}, {load.Name}: sent", rate, "interactions/s"));
            samples.Add(new Sample($"{name}, {load.Name}: p50", p50, "ms"));
            samples.Add(new Sample($"{name}, {load.Name}: p99", p99, "ms"));
        }

        return samples;
    }

    public void Dispose() => _scratch.Dispose();

    private Task<IReadOnlyList<Sample>> ServeAsync(int round, CancellationToken cancellationToken) => MeasureAsync(
        Server,
        async bootstrapServers => await ServerChild.StartAsync(_scratch["data"], bootstrapServers, cancellationToken),
        flood: Users,
        [("half load", highest => HalfLoad = highest / 2)],
        "\"fallback\":null"u8.ToArray(),
        cancellationToken);
}

using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Kafka;
using StreamRec.Server;
using StreamRec.Users;

namespace StreamRec.Cli.Bench;

/// <summary>
/// From the topic to the users' states: consume, decode, route, append. Broker and producer are another process, so the processor time is that of
/// the consumer alone.
/// </summary>
/// <remarks>
/// The first records make every user resident and are not timed; neither is joining the consumer group. Timed is what follows, users at random.
/// </remarks>
internal sealed class IngestBench : IAsyncDisposable
{
    public const int Users = 1_000_000;
    public const int Timed = 1_000_000;
    public const int Records = Users + Timed;
    public const int Partitions = 64;
    public const string OnDisk = "ingest, journal on disk";
    public const string KeepingNothing = "ingest, journal that keeps nothing";

    /// <summary>
    /// Settings of every consumer that is measured: little is fetched ahead, because what was fetched before the clock runs would cost nothing.
    /// </summary>
    public static readonly IReadOnlyDictionary<string, string> Consumer = new Dictionary<string, string>
    {
        ["queued.max.messages.kbytes"] = "4096",
        ["fetch.message.max.bytes"] = "65536",
        ["fetch.wait.max.ms"] = "2",
    };

    private readonly Child _feed;

    private IngestBench(Child feed, string bootstrapServers) => (_feed, BootstrapServers) = (feed, bootstrapServers);

    public static string Workload =>
        $"{Timed:N0} interactions of {Users:N0} resident users on {Population.Items:N0} items in {Partitions} partitions of an embedded broker in another process; "
        + "no lists; the processor time is the consumer's alone. On disk: the whole server with its counts, synchronous=FULL.";

    /// <summary>Where the records are, for an anchor.</summary>
    public string BootstrapServers { get; }

    public IReadOnlyList<Contestant> Contestants => [OnDiskAsync, KeepingNothingAsync];

    /// <summary>Starts the broker and fills it.</summary>
    public static async Task<IngestBench> StartAsync(CancellationToken cancellationToken)
    {
        var feed = Child.Start("bench", "feed");
        try
        {
            var bootstrapServers = await Output.WithProgressAsync("filling the broker", Records, "records", async report =>
            {
                while (true)
                {
                    var line = await feed.ReadAsync(cancellationToken);
                    if (line.TryGetProperty("bootstrap_servers", out var servers))
                    {
                        return servers.GetString()!;
                    }

                    report(line.GetProperty("sent").GetDouble());
                }
            });
            return new IngestBench(feed, bootstrapServers);
        }
        catch
        {
            await feed.DisposeAsync();
            throw;
        }
    }

    /// <summary>The other process: a broker that holds all records.</summary>
    public static async Task FeedAsync(CancellationToken cancellationToken)
    {
        var options = new KafkaOptions { Partitions = Partitions };
        await using var cluster = await KafkaCluster.StartAsync(options, TimeProvider.System, NullLogger<KafkaCluster>.Instance, cancellationToken);
        using (var traffic = new Traffic(cluster.BootstrapServers, TimeSpan.FromMilliseconds(20)))
        {
            var random = new Random(1);
            for (var i = 0; i < Records; i++)
            {
                traffic.Send(i < Users ? i : random.Next(Users), random.Next(Population.Items));
                if (i % 50_000 == 0)
                {
                    Output.WriteJson(new { Sent = i });
                }
            }

            traffic.Flush();
        }

        Traffic.RequireWhole(cluster.BootstrapServers, Partitions);
        Output.WriteJson(new { cluster.BootstrapServers });
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    public ValueTask DisposeAsync() => _feed.DisposeAsync();

    private async Task<IReadOnlyList<Sample>> OnDiskAsync(int round, CancellationToken cancellationToken)
    {
        using var scratch = new ScratchDirectory();
        var options = StreamRecOptions.Load(null,
        [
            new("Server:DataDirectory", scratch["data"]),
            new("Kafka:BootstrapServers", BootstrapServers),
            new("Kafka:GroupId", Group()),
            new("Training:Mode", "Off"),
            new("Users:RecommendOn", nameof(RecommendOn.RequestsOnly)),
            new("Users:ResidentUsers", $"{2 * Users}"),
            .. Consumer.Select(setting => new KeyValuePair<string, string?>($"Kafka:Consumer:Config:{setting.Key}", setting.Value)),
        ]);
        await using var pipeline = await Pipeline.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        async Task AppliedAsync(long interactions)
        {
            while (pipeline.Figures.Interactions < interactions)
            {
                if (pipeline.Failed.IsCompleted)
                {
                    throw await pipeline.Failed;
                }

                await Task.Delay(5, cancellationToken);
            }
        }

        await AppliedAsync(Users);
        var first = pipeline.Figures.Interactions;
        var measured = await Measurement.OfAsync(Records - first, () => AppliedAsync(Records));
        var stored = (await pipeline.Journal.StatisticsAsync(cancellationToken)).Interactions;
        Check("The journal holds", stored);
        Check("The shards hold", pipeline.Shards.Resident, Users);
        return [measured.As(OnDisk, "interactions")];
    }

    private async Task<IReadOnlyList<Sample>> KeepingNothingAsync(int round, CancellationToken cancellationToken)
    {
        var kafka = new KafkaOptions
        {
            BootstrapServers = BootstrapServers,
            GroupId = Group(),
            Partitions = Partitions,
            Consumer = new KafkaClientOptions { Config = new Dictionary<string, string>(Consumer) },
        };
        await using var journal = new KeepsNothing();
        await using var stages = new Stages(journal, Partitions, residentUsers: 2 * Users);
        await using var ingest = await stages.IngestAsync(kafka, cancellationToken);
        await stages.AppliedAsync(Users, cancellationToken);
        var first = stages.Applied;
        var measured = await Measurement.OfAsync(Records - first, () => stages.AppliedAsync(Records, cancellationToken));
        Check("The shards have applied", stages.Applied);
        Check("The shards hold", stages.Shards.Resident, Users);
        return [measured.As(KeepingNothing, "interactions")];
    }

    // A group that has not read anything yet.
    private static string Group() => $"bench-{Guid.NewGuid():N}";

    private static void Check(string what, long found, long expected = Records)
    {
        if (found != expected)
        {
            throw new BenchFailedException($"{what} {found:N0}, not {expected:N0}.");
        }
    }
}

using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Server;

namespace StreamRec.Benchmarks;

/// <summary>
/// The whole path: an interaction of each user through Kafka, actor, synced journal, RecGPT (d = 64, L = 50, 2 layers, 12,000 items, random weights) and
/// back to Kafka as an acknowledged list. Every user already has 50 interactions, and each has one more, so every window is full and nothing is superseded.
/// </summary>
internal static class PathBenchmark
{
    private const int Users = 20_000;
    private const int History = 50;
    private const int Items = 12_000;
    private const int Partitions = 8;

    public static async Task RunAsync(int rounds)
    {
        Measurement.PrintMachine();
        var throughput = new List<Measurement>();
        for (var round = 0; round < rounds; round++)
        {
            await using var scratch = await Scratch.StartAsync(Partitions);
            await using var pipeline = await StartWithHistoryAsync(scratch, round);
            throughput.Add(await FloodAsync(scratch, pipeline, round));
            if (round == rounds - 1)
            {
                await PacedAsync(scratch, pipeline, throughput.Select(t => t.PerSecond).Order().ElementAt(rounds / 2) / 2);
            }
        }

        Measurement.Print("whole path, as fast as it goes", "lists", throughput);
    }

    /// <summary>The histories in the journal, and a model that knows all items.</summary>
    private static async Task<Pipeline> StartWithHistoryAsync(Scratch scratch, int seed)
    {
        var random = new Random(seed);
        var options = scratch.Options(new KeyValuePair<string, string?>("Inference:MaxBatchSize", "64"));
        var pipeline = await Pipeline.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        var items = Enumerable.Range(0, Items).Select(i => $"item-{i:d5}").ToArray();
        await pipeline.Journal.AddItemsAsync(items, CancellationToken.None);
        Activate(pipeline);

        // One segment a thousand users, appended and saved as a shard would.
        var source = new SourcePartition("history", "bench", 0);
        var lease = await pipeline.Journal.AcquireAsync(source, CancellationToken.None);
        var offset = 0L;
        foreach (var users in Enumerable.Range(0, Users).Select(UserId).Chunk(1000))
        {
            var states = users.Select(user => new BehaviorSequence(user)).ToArray();
            var entries = new List<SegmentEntry>(users.Length * History);
            foreach (var (index, state) in states.Index())
            {
                for (var i = 0; i < History; i++)
                {
                    var item = random.Next(Items);
                    entries.Add(new SegmentEntry(index, item, InteractionType.Click, offset + entries.Count, 1_700_000_000_000, double.NaN, null));
                    state.Apply(item, InteractionType.Click, 1_700_000_000_000, null, 1024);
                }
            }

            var next = offset + entries.Count;
            var position = await pipeline.Journal.AppendAsync(lease, new Segment(offset, next, next, users, entries), CancellationToken.None);
            foreach (var state in states)
            {
                state.Position = position;
            }

            await pipeline.Journal.SaveUsersAsync(lease, states, position, next, CancellationToken.None);
            offset = next;
        }

        return pipeline;
    }

    private static void Activate(Pipeline pipeline)
    {
        var recipe = JsonSerializer.SerializeToElement(new { model = new { hidden = 64, layers = 2, heads = 2, feedForward = 256, maxLength = History } });
        var numbers = Enumerable.Range(0, Items).ToArray();
        using var model = Pipeline.Families[0].Create(recipe, new TrainingVocabulary(numbers, []), null, new ModelContext(pipeline.Journal.Catalogue, NoEvidence.Instance), seed: 1);
        var draft = new CheckpointManifest
        {
            Format = CheckpointManifest.CurrentFormat,
            Family = "",
            Version = 0,
            Parent = null,
            Created = TimeProvider.System.GetUtcNow(),
            CodeVersion = Pipeline.CodeVersion,
            Seed = 1,
            Config = recipe,
            TrainedAfter = 0,
            TrainedUpTo = 0,
            Files = new Dictionary<string, string>(),
            Golden = [],
            Metrics = new Dictionary<string, double>(),
        };
        pipeline.Models.Activate(pipeline.Models.Publish("recgpt", draft, directory => model.Save(directory, [new UserHistory("nobody", [1, 2, 3])])));
    }

    private static Task<Measurement> FloodAsync(Scratch scratch, Pipeline pipeline, int seed)
    {
        var random = new Random(seed + 1000);
        return Measurement.OfAsync(Users, async () =>
        {
            await scratch.ProduceAsync(Enumerable.Range(0, Users).Select(u => Click(UserId(u), random)));
            await PublishedAsync(pipeline, Users);
        });
    }

    /// <summary>Latency at a steady rate: users at random, sent by the clock whatever comes back.</summary>
    private static async Task PacedAsync(Scratch scratch, Pipeline pipeline, double rate)
    {
        var random = new Random(7);
        var before = pipeline.Figures.Lists;
        var count = (int)(rate * 10);
        var started = TimeProvider.System.GetTimestamp();
        var sent = 0;
        using var producer = new Kafka.Publish.InteractionProducer(scratch.Cluster, scratch.Kafka, NullLogger<Kafka.Publish.InteractionProducer>.Instance);
        while (sent < count)
        {
            var due = Math.Min(count, (int)(TimeProvider.System.GetElapsedTime(started).TotalSeconds * rate) + 1);
            for (; sent < due; sent++)
            {
                await producer.SendAsync(Click(UserId(random.Next(Users)), random), CancellationToken.None);
            }

            await Task.Delay(1);
        }

        await producer.FlushAsync(CancellationToken.None);
        await PublishedAsync(pipeline, before + (long)(count * 0.98));
        var (p50, p99) = pipeline.Figures.Latency();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{"whole path at half that rate",-34} {rate,10:N0} interactions/s sent for 10 s: p50 {p50:F1} ms, p99 {p99:F1} ms from arrival to acknowledged list"));
    }

    private static async Task PublishedAsync(Pipeline pipeline, long lists)
    {
        while (pipeline.Figures.Lists < lists)
        {
            if (pipeline.Failed.IsCompleted)
            {
                throw await pipeline.Failed;
            }

            await Task.Delay(1);
        }

        if (pipeline.Figures.Fallbacks > 0)
        {
            throw new InvalidOperationException($"{pipeline.Figures.Fallbacks} lists were fallbacks: what was measured is not the model.");
        }
    }

    private static Interaction Click(string user, Random random) =>
        new(user, $"item-{random.Next(Items):d5}", InteractionType.Click, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());

    private static string UserId(int user) => $"user-{user:d6}";
}

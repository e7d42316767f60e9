using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using StreamRec.Actors;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Journal;
using StreamRec.Kafka;
using StreamRec.Kafka.Ingest;
using StreamRec.Kafka.Publish;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Models.RecGpt;
using StreamRec.Models.Transitions;
using StreamRec.Torch;
using StreamRec.Training;
using StreamRec.Training.Evaluation;
using StreamRec.Users;

namespace StreamRec.Server;

/// <summary>The whole flow, wired: the one place that knows every stage.</summary>
/// <remarks>
/// <code>
/// Kafka ─► ingest ─► shards ─► journal ─► inference pool ─► publisher ─► Kafka
///                       ▲          │             ▲
///          completed offsets       └─► trainer ─► checkpoints ─► model slot
/// </code>
/// Started downstream first, stopped in the order of the flow. A stage that cannot go on completes <see cref="Failed"/>: the host stops,
/// and a restart recovers everything from the journal.
/// </remarks>
public sealed class Pipeline : IAsyncDisposable
{
    private readonly TaskCompletionSource<Exception> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Stack<Func<ValueTask>> _stop = new();
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _logs;
    private ActorRef<TrainerMessage>? _trainer;
    [SuppressMessage("Usage", "CA2213", Justification = "Disposed by its entry on _stop.")]
    private KafkaIngest? _ingest;

    private TrainerState _training = new(null, null, 0);

    private Pipeline(StreamRecOptions options, TimeProvider time, ILoggerFactory logs)
    {
        Options = options;
        _time = time;
        _logs = logs;
    }

    /// <summary>The program's version, as manifests name it.</summary>
    public static string CodeVersion { get; } =
        typeof(Pipeline).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>The model families that this program knows.</summary>
    public static IReadOnlyList<IModelFamily> Families { get; } = [new RecGptFamily(), new GenRecFamily(TimeProvider.System), new TransitionsFamily()];

    public StreamRecOptions Options { get; }

    /// <summary>Completes with the reason when a stage cannot go on.</summary>
    public Task<Exception> Failed => _failed.Task;

    /// <summary>What has passed by.</summary>
    public LiveFigures Figures { get; } = new();

    public required KafkaCluster Cluster { get; init; }

    public required IJournal Journal { get; init; }

    public ModelRegistry Registry { get; private set; } = null!;

    public ModelControl Models { get; private set; } = null!;

    public UserShards Shards { get; private set; } = null!;

    public Prequential Prequential { get; private set; } = null!;

    public InferencePool Pool { get; private set; } = null!;

    /// <summary>What the trainer is doing and what its last run came to.</summary>
    public TrainerState Training => Volatile.Read(ref _training);

    /// <summary>Where ingest stands.</summary>
    public IngestStatus Ingest => _ingest!.Status;

    /// <summary>Opens everything and starts the flow.</summary>
    /// <exception cref="Exception">A stage cannot start; what was started is stopped again.</exception>
    public static async Task<Pipeline> StartAsync(
        StreamRecOptions options, TimeProvider time, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        Failpoints.Arm();
        Directory.CreateDirectory(options.Server.DataDirectory);
        TorchRuntime.SetThreads(options.Server.NativeThreads);
        // The journal first: it refuses a second process on the same data before anything else happens. An embedded broker's partitions are
        // this process's alone, so another node could only get in its way.
        var access = options.Kafka.BootstrapServers is null ? JournalAccess.Exclusive : JournalAccess.Shared;
        var journal = await SegmentJournal.OpenAsync(options.Journal, access, time, logs.CreateLogger<SegmentJournal>(), cancellationToken);
        KafkaCluster cluster;
        try
        {
            cluster = await KafkaCluster.StartAsync(options.Kafka, time, logs.CreateLogger<KafkaCluster>(), cancellationToken);
        }
        catch
        {
            await journal.DisposeAsync();
            throw;
        }

        var pipeline = new Pipeline(options, time, logs) { Journal = journal, Cluster = cluster };
        try
        {
            await pipeline.StartStagesAsync(cancellationToken);
            return pipeline;
        }
        catch
        {
            await pipeline.DisposeAsync();
            throw;
        }
    }

    /// <summary>Trains now, whatever the triggers say, and returns the report.</summary>
    public Task<TrainingReport> TrainNowAsync(CancellationToken cancellationToken) =>
        _trainer!.AskAsync<TrainingReport>(reply => new TrainerMessage.TrainNow(reply), cancellationToken);

    /// <summary>A user's list, computed now and published like any other.</summary>
    public async Task<Recommendation> RecommendAsync(
        string userId, int k, IReadOnlyCollection<int> exclude, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<Recommendation>(TaskCreationOptions.RunContinuationsAsynchronously);
        await Shards.RecommendAsync(
            userId, k, exclude, Guid.NewGuid().ToString(), null, list => answer.TrySetResult(list!), cancellationToken);
        return await answer.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Deletes a user from memory and journal; no checkpoint trained from then on knows the user.</summary>
    public async Task<ForgetReceipt> ForgetAsync(string userId, CancellationToken cancellationToken)
    {
        var receipt = await Shards.ForgetAsync(userId, cancellationToken);
        Prequential.Forget(userId);
        return receipt;
    }

    /// <summary>Lets partitions go on that stand still because records are gone from the log, and keeps a record of what is given up.</summary>
    /// <returns>The gaps that were accepted; others cannot be.</returns>
    public async Task<IReadOnlyList<LogGap>> AcceptGapsAsync(CancellationToken cancellationToken)
    {
        var accepted = Ingest.Gaps.Where(gap => gap.CanBeAccepted).ToList();
        foreach (var gap in accepted)
        {
            await Journal.AddAuditAsync(
                "gap accepted", $"{gap.Source}: offsets {gap.WantedOffset} to {gap.AvailableOffset - 1} are given up, {gap.MissingOffsets} records", cancellationToken);
            _ingest!.AcceptGap(gap);
        }

        return accepted;
    }

    /// <summary>Stops in the order of the flow: what was taken in is finished, saved and published.</summary>
    public async ValueTask DisposeAsync()
    {
        while (_stop.TryPop(out var stop))
        {
            await stop();
        }

        await Cluster.DisposeAsync();
        await Journal.DisposeAsync();
    }

    // What is pushed on _stop first is stopped last: the order of this method is downstream first.
    private async Task StartStagesAsync(CancellationToken cancellationToken)
    {
        void Fail(Exception exception) => _failed.TrySetResult(exception);

        Registry = new ModelRegistry(Options.ModelsDirectory, _logs.CreateLogger<ModelRegistry>());
        Registry.RemoveAbandoned(_time.GetUtcNow());
        var recipe = ReadRecipe(Options.Training.Recipe);
        var counts = await StreamCounts.ReadAsync(Journal, Options.Server.CountedAtStart, TransitionsSettings.Of(recipe), _time, cancellationToken);
        Models = new ModelControl(
            Registry, Families, new ModelContext(Journal.Catalogue, counts.Transitions), _logs.CreateLogger<ModelControl>());
        _stop.Push(() => Dispose(Models));
        Models.Restore();
        Models.Swapped += (_, before) => Figures.Activated(takesOver: before is not null);

        Prequential = new Prequential(
            (k, had) => counts.Lists.Top(k, had, had), (k, had) => counts.Popularity.Top(k, had),
            Options.Server.PrequentialWindow, Options.Server.PrequentialUsers);
        var deadLetters = new DeadLetters(Cluster, Options.Kafka, _time, _logs.CreateLogger<DeadLetters>(), Fail);
        _stop.Push(() => Dispose(deadLetters));
        var publisher = new RecommendationPublisher(
            Cluster, Options.Kafka, Journal.Catalogue, _logs.CreateLogger<RecommendationPublisher>(), Fail);
        _stop.Push(() => Dispose(publisher));

        Pool = new InferencePool(
            Options.Inference, Models, counts.Lists, new PublishedLists(publisher, Figures, Prequential), _time,
            _logs.CreateLogger<InferencePool>(), Fail);
        Pool.Start();
        _stop.Push(Pool.DisposeAsync);

        var actors = new ActorSystem(_time, (_, exception) => Fail(exception));
        _stop.Push(actors.DisposeAsync);

        var fresh = new FreshInteractions();
        _trainer = SpawnTrainer(actors, fresh, recipe);

        // Prequential judges before anything counts: an interaction must not be known to what is judged by it.
        var observers = new Observers(Prequential, counts, Figures, fresh);
        var completed = new CompletedOffsets();
        Shards = new UserShards(
            Options.Users, Journal, Pool, observers, completed, actors, _time, _logs.CreateLogger<UserShards>())
        {
            Partitions = Options.Kafka.Partitions,
        };
        _stop.Push(Shards.DisposeAsync);
        await FoldFormerLogsAsync(cancellationToken);

        var catalogue = new CatalogueReader(
            Cluster, Options.Kafka, ApplyAsync, deadLetters, _logs.CreateLogger<CatalogueReader>(), Fail);
        await StartAsync(catalogue, catalogue.StartAsync, catalogue.StopAsync, cancellationToken);
        await catalogue.CaughtUp.WaitAsync(cancellationToken);

        var requests = new RequestReader(
            Cluster, Options.Kafka, AnswerAsync, deadLetters, _time, _logs.CreateLogger<RequestReader>(), Fail);
        await StartAsync(requests, requests.StartAsync, requests.StopAsync, cancellationToken);

        var growth = new TopicGrowth(Shards, Journal, Cluster, Options.Kafka.Topics.Interactions, _logs.CreateLogger<TopicGrowth>(), Fail);
        _ingest = new KafkaIngest(
            Cluster, Options.Kafka, Options.Mapping, Shards, deadLetters, completed, growth.CountedAsync, _time, _logs.CreateLogger<KafkaIngest>(), Fail);
        await StartAsync(_ingest, _ingest.StartAsync, _ingest.StopAsync, cancellationToken);
    }

    // A server that was killed leaves the newest interactions unfolded, and an embedded broker's log is gone with it: nobody will be assigned its
    // partitions again. Opening and closing them brings their users' states up to date before anything new arrives.
    private async Task FoldFormerLogsAsync(CancellationToken cancellationToken)
    {
        for (var sources = await FormerLogsAsync(); sources.Count > 0;)
        {
            foreach (var source in sources)
            {
                await Shards.OpenAsync(source, cancellationToken);
                await Shards.CloseAsync(source, cancellationToken);
            }

            sources = await FormerLogsAsync();
            if (sources.Count > 0)
            {
                // Another node that starts has taken one of them away before it was folded; it folds, or this one does now.
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(500)), _time, cancellationToken);
            }
        }

        async Task<List<SourcePartition>> FormerLogsAsync() =>
            [.. (await Journal.UnfoldedSourcesAsync(cancellationToken)).Where(source => source.Log != Cluster.LogId)];
    }

    private ActorRef<TrainerMessage> SpawnTrainer(ActorSystem actors, FreshInteractions fresh, JsonElement recipe)
    {
        var options = Options.Training;
        var family = FamilyOf(recipe, options);
        family.CheckRecipe(recipe);
        return actors.Spawn(
            "trainer",
            () => new Trainer(
                options, recipe, Journal, Models, family, CountTransitions(recipe, Journal.Catalogue), fresh, Remember, CodeVersion, _time, _logs.CreateLogger<Trainer>()),
            new SpawnOptions { MailboxCapacity = 16 });
    }

    /// <summary>The family that a recipe names with its key <c>family</c>, else the one of the settings.</summary>
    /// <exception cref="ArgumentException">There is no such family.</exception>
    public static IModelFamily FamilyOf(JsonElement recipe, TrainingOptions options)
    {
        var named = recipe.ValueKind == JsonValueKind.Object && recipe.TryGetProperty("family", out var key) && key.ValueKind == JsonValueKind.String
            ? key.GetString()
            : null;
        return Families.FirstOrDefault(family => family.Name == (named ?? options.Family)) ?? throw new ArgumentException(
            $"{(named is null ? $"{TrainingOptions.SectionName}:Family" : "The recipe's family")} is '{named ?? options.Family}'; it must be one of {string.Join(", ", Families.Select(f => f.Name))}.");
    }

    /// <summary>Counts transitions as a recipe says, from histories that are given and nothing else.</summary>
    public static Func<IReadOnlyList<UserHistory>, IEvidence> CountTransitions(JsonElement recipe, Catalogue catalogue) =>
        histories => TransitionEvidence.Count(TransitionsSettings.Of(recipe), histories, catalogue.Count);

    /// <summary>
    /// What models stand on where no server runs: counts of nothing, kept as a server with these options would keep them, so that a checkpoint
    /// which such a server would refuse is refused here.
    /// </summary>
    public static ModelContext ContextAtRest(StreamRecOptions options, Catalogue catalogue) =>
        new(catalogue, CountTransitions(ReadRecipe(options.Training.Recipe), catalogue)([]));

    /// <summary>A recipe file's content; an undefined element, which stands for the family's defaults, when there is none.</summary>
    /// <exception cref="ArgumentException">The file is missing or not JSON.</exception>
    public static JsonElement ReadRecipe(string? path)
    {
        if (path is null)
        {
            return default;
        }

        try
        {
            using var document = JsonDocument.Parse(
                File.ReadAllBytes(path), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip });
            return document.RootElement.Clone();
        }
        catch (Exception exception) when (exception is JsonException or IOException)
        {
            throw new ArgumentException($"The recipe '{path}' cannot be read: {exception.Message}", exception);
        }
    }

    // Progress keeps the last report in sight until there is a newer one.
    private void Remember(TrainerState state) =>
        Volatile.Write(ref _training, state.Last is null ? state with { Last = _training.Last } : state);

    private async ValueTask ApplyAsync(IReadOnlyList<CatalogueChange> changes, CancellationToken cancellationToken)
    {
        await Journal.AddItemsAsync([.. changes.Select(change => change.ItemId)], cancellationToken);
        foreach (var change in changes)
        {
            Journal.Catalogue.Describe(change.ItemId, change.Title, change.Categories, change.Available);
        }
    }

    private async ValueTask AnswerAsync(RecommendationRequest request, CancellationToken cancellationToken)
    {
        var exclude = new List<int>(request.Exclude.Count);
        foreach (var id in request.Exclude)
        {
            // An item that nobody has ever seen cannot be in a list anyway.
            if (Journal.Catalogue.TryGetNumber(id, out var number))
            {
                exclude.Add(number);
            }
        }

        await Shards.RecommendAsync(
            request.UserId, request.K, exclude, request.RequestId, request.TraceParent, static _ => { }, cancellationToken);
    }

    private async Task StartAsync(
        IDisposable stage, Func<CancellationToken, Task> start, Func<CancellationToken, Task> stop, CancellationToken cancellationToken)
    {
        _stop.Push(async () =>
        {
            await stop(CancellationToken.None);
            stage.Dispose();
        });
        await start(cancellationToken);
    }

    private static ValueTask Dispose(IDisposable stage)
    {
        stage.Dispose();
        return ValueTask.CompletedTask;
    }
}

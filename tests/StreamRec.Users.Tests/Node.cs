using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using StreamRec.Actors;
using StreamRec.Actors.Tests;
using StreamRec.Domain;

namespace StreamRec.Users.Tests;

/// <summary>A record of the interactions topic.</summary>
internal readonly record struct Record(long Offset, Interaction Interaction);

/// <summary>One process with its shards; the journal may be that of an earlier one.</summary>
internal sealed class Node : IAsyncDisposable
{
    public static readonly SourcePartition Source = new("streamrec.interactions", "", 0);

    private readonly ActorSystem _system;

    public Node(UsersOptions? options = null, Node? before = null, Func<Changes, FakeJournal>? journal = null)
    {
        Options = options ?? before?.Options ?? new UsersOptions();
        Changes = before?.Changes ?? new Changes();
        Journal = before?.Journal ?? journal?.Invoke(Changes) ?? new FakeJournal(Changes) { MaxSequence = Options.MaxSequence };
        Time = before?.Time ?? new FakeTimeProvider();
        Lists = new FakeLists(Changes);
        Offsets = new FakeOffsets(Changes);
        _system = new ActorSystem(Time, (_, failure) =>
        {
            Escalated = failure;
            Changes.Notify();
        });
        Shards = new UserShards(
            Options,
            Journal,
            Lists,
            Observer,
            Offsets,
            _system,
            Time,
            new FencedLog(this));
    }

    public UsersOptions Options { get; }

    public Changes Changes { get; }

    public FakeJournal Journal { get; }

    public FakeTimeProvider Time { get; }

    public FakeLists Lists { get; }

    public FakeObserver Observer { get; } = new();

    public FakeOffsets Offsets { get; }

    public UserShards Shards { get; }

    public Exception? Escalated { get; private set; }

    /// <summary>Whether the log says that a shard was fenced.</summary>
    public bool Fenced { get; private set; }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static async Task<Node> OpenAsync(UsersOptions? options = null, Node? before = null)
    {
        var node = new Node(options, before);
        await node.Shards.OpenAsync(Source, Cancelled);
        return node;
    }

    public static Record Record(
        long offset, string user, string item, InteractionType type = InteractionType.Click, string? eventId = null) =>
        new(offset, new Interaction(user, item, type, 1000 + offset, EventId: eventId));

    public static InteractionBatch Batch(long first, long next, params Record[] records)
    {
        var interactions = new IngestedInteractions();
        foreach (var record in records)
        {
            interactions.Add(record.Offset, record.Interaction);
        }

        return new InteractionBatch(Source, first, next, interactions, Task.CompletedTask);
    }

    /// <summary>A batch of one click for each of these users, beginning at an offset.</summary>
    public static InteractionBatch Clicks(long first, params string[] users) =>
        Batch(first, first + users.Length, [.. users.Select((user, i) => Record(first + i, user, $"item{first + i}"))]);

    public void Deliver(InteractionBatch batch) => Assert.Equal(Delivery.Taken, Shards.TryDeliver(batch));

    public Task CompletedAsync(long nextOffset) => Changes.WaitAsync(() => Offsets.Of(Source) >= nextOffset);

    /// <summary>Delivers and waits until everything is finished.</summary>
    public async Task ApplyAsync(InteractionBatch batch)
    {
        Deliver(batch);
        await CompletedAsync(batch.NextOffset);
    }

    /// <summary>Waits until the shard has taken everything told so far.</summary>
    public async Task<UserSnapshot?> ShowAsync(string user) => await Shards.GetUserAsync(user, Cancelled);

    /// <summary>Lets the save timer fall due and waits until everything dirty is saved.</summary>
    public async Task SaveAsync()
    {
        Time.Advance(Options.SaveInterval);
        await Changes.WaitAsync(() => Journal.LeaseOf(Source).FoldedPosition == Journal.Segments.Last(s => s.Source == Source).Position);
    }

    public ValueTask CloseAsync() => Shards.CloseAsync(Source, Cancelled);

    /// <summary>Ends the process without a word: appends under way become durable or not, nothing else survives.</summary>
    public async Task CrashAsync(Random random)
    {
        Journal.Crash(random);
        Journal.HoldAppends = false;
        await DisposeAsync();
        Lists.Crash();
    }

    public async ValueTask DisposeAsync()
    {
        await Shards.DisposeAsync();
        await _system.DisposeAsync();
        Assert.Empty(Offsets.Violations);
        Assert.Empty(Journal.Violations);
    }

    public void ThrowIfEscalated()
    {
        if (Escalated is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private sealed class FencedLog(Node node) : ILogger<UserShards>
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is FencedException)
            {
                node.Fenced = true;
                node.Changes.Notify();
            }
        }
    }
}

namespace StreamRec.Actors.Tests;

public sealed class ActorTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<(string Actor, Exception Failure)> _escalated = [];
    private readonly ActorSystem _system;
    private readonly ProbeLog _log = new();

    public ActorTests() => _system = new ActorSystem(_time, (actor, failure) => _escalated.Add((actor, failure)));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    [Fact]
    public async Task Messages_are_handled_in_the_order_in_which_they_were_told_and_one_at_a_time()
    {
        var probe = Spawn();
        for (var i = 0; i < 1000; i++)
        {
            await probe.TellAsync(new ProbeMessage.Note(i), Cancelled);
        }

        await probe.StopAsync(StopMode.Drain, Cancelled);
        Assert.Equal(Enumerable.Range(0, 1000), _log.Notes);
        Assert.False(_log.Overlapped);
    }

    [Fact]
    public async Task Messages_of_many_senders_never_overlap_and_none_is_lost()
    {
        var probe = Spawn(capacity: 3);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(sender => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                await probe.TellAsync(new ProbeMessage.Note(sender * 500 + i), Cancelled);
            }
        })));

        await probe.StopAsync(StopMode.Drain, Cancelled);
        Assert.False(_log.Overlapped);
        Assert.Equal(Enumerable.Range(0, 2000), _log.Notes.Order());
    }

    [Fact]
    public async Task A_full_mailbox_refuses_a_try_and_holds_back_a_tell()
    {
        var probe = Spawn(capacity: 2);
        var release = await HoldAsync(probe);
        Assert.True(probe.TryTell(new ProbeMessage.Note(1)));
        Assert.True(probe.TryTell(new ProbeMessage.Note(2)));
        Assert.False(probe.TryTell(new ProbeMessage.Note(3)));
        var waiting = probe.TellAsync(new ProbeMessage.Note(4), Cancelled);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(2, probe.Waiting);

        release.SetResult();
        await waiting;
        await probe.StopAsync(StopMode.Drain, Cancelled);
        Assert.Equal([1, 2, 4], _log.Notes);
    }

    [Fact]
    public async Task An_ask_is_answered()
    {
        var probe = Spawn();
        probe.TryTell(new ProbeMessage.Note(40));
        probe.TryTell(new ProbeMessage.Note(2));
        Assert.Equal(42, await probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled));
    }

    [Fact]
    public async Task An_ask_fails_with_what_the_actor_threw()
    {
        var probe = Spawn(Supervision.Stopping);
        var thrown = new InvalidDataException("broken");
        var failure = await Assert.ThrowsAsync<InvalidDataException>(
            () => probe.AskAsync<int>(reply => new ProbeMessage.CrashAsked(thrown, reply), Cancelled));
        Assert.Same(thrown, failure);
    }

    [Fact]
    public async Task An_ask_can_be_given_up()
    {
        var probe = Spawn();
        using var patience = new CancellationTokenSource();
        var ask = probe.AskAsync<int>(reply => new ProbeMessage.Never(reply), patience.Token);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ask);
        Assert.Equal(0, await probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled));
    }

    [Fact]
    public async Task A_stopped_actor_takes_nothing_more()
    {
        var probe = Spawn();
        await probe.StopAsync(StopMode.Drain, Cancelled);
        Assert.False(probe.TryTell(new ProbeMessage.Note(1)));
        await Assert.ThrowsAsync<ActorStoppedException>(() => probe.TellAsync(new ProbeMessage.Note(1), Cancelled).AsTask());
        await Assert.ThrowsAsync<ActorStoppedException>(() => probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled));
    }

    [Fact]
    public async Task Draining_handles_everything_that_was_told_before()
    {
        var probe = Spawn();
        var release = await HoldAsync(probe);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(probe.TryTell(new ProbeMessage.Note(i)));
        }

        var stop = probe.StopAsync(StopMode.Drain, Cancelled);
        Assert.False(probe.TryTell(new ProbeMessage.Note(100)));
        release.SetResult();
        await stop;
        Assert.Equal(Enumerable.Range(0, 100), _log.Notes);
        Assert.Equal(0, _system.DeadLetters);
        Assert.Equal(1, _log.Stopped);
    }

    [Fact]
    public async Task Discarding_cancels_the_message_in_hand_fails_the_asks_that_wait_and_counts_what_is_dropped()
    {
        var probe = Spawn();
        await HoldAsync(probe);
        probe.TryTell(new ProbeMessage.Note(1));
        var ask = probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled);
        await probe.StopAsync(StopMode.Discard, Cancelled);
        await Assert.ThrowsAsync<ActorStoppedException>(() => ask);
        Assert.Empty(_log.Notes);
        Assert.Equal(3, _system.DeadLetters);
        Assert.Null(probe.Failure);
    }

    [Fact]
    public async Task The_system_stops_actors_in_the_reverse_order_of_spawning()
    {
        var order = new List<string>();
        foreach (var name in new[] { "first", "second", "third" })
        {
            var log = new ProbeLog { Name = name, StopOrder = order };
            _system.Spawn(name, () => new Probe(log), new SpawnOptions());
        }

        await _system.StopAsync(StopMode.Drain, Cancelled);
        Assert.Equal(["third", "second", "first"], order);
        Assert.Throws<InvalidOperationException>(() => Spawn());
    }

    [Fact]
    public async Task A_name_is_unique_while_the_actor_runs_and_free_afterwards()
    {
        var probe = Spawn();
        Assert.Throws<ArgumentException>(() => Spawn());
        await probe.StopAsync(StopMode.Drain, Cancelled);
        Spawn();
    }

    [Fact]
    public async Task An_actor_with_a_thread_of_its_own_stays_on_it()
    {
        var probe = _system.Spawn("trainer", () => new Probe(_log), new SpawnOptions { DedicatedThread = true });
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("trainer", await probe.AskAsync<string?>(reply => new ProbeMessage.Thread(reply), Cancelled));
        }

        await probe.StopAsync(StopMode.Drain, Cancelled);
        Assert.Equal(1, _log.Stopped);
    }

    private ActorRef<ProbeMessage> Spawn(Supervision? supervision = null, int capacity = 256) =>
        _system.Spawn(
            "probe",
            () => new Probe(_log),
            new SpawnOptions { MailboxCapacity = capacity, Supervision = supervision ?? Supervision.Restarting });

    private static async Task<TaskCompletionSource> HoldAsync(ActorRef<ProbeMessage> probe)
    {
        var entered = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        probe.TryTell(new ProbeMessage.Hold(entered, release.Task));
        await entered.Task;
        return release;
    }
}

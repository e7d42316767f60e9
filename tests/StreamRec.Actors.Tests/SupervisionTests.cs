namespace StreamRec.Actors.Tests;

public sealed class SupervisionTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly TaskCompletionSource<(string Actor, Exception Failure)> _escalated = new();
    private readonly ActorSystem _system;
    private readonly ProbeLog _log = new();

    public SupervisionTests() => _system = new ActorSystem(_time, (actor, failure) => _escalated.TrySetResult((actor, failure)));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    [Fact]
    public async Task A_failed_actor_goes_on_with_a_fresh_instance_and_the_next_message()
    {
        var probe = Spawn(new Supervision());
        probe.TryTell(new ProbeMessage.Note(1));
        probe.TryTell(Crash());
        probe.TryTell(new ProbeMessage.Note(2));
        await RestartAfterAsync(TimeSpan.FromMilliseconds(100));

        // The sum begins again at 0: the state of the failed instance is gone, the mailbox is not.
        Assert.Equal(2, await probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled));
        Assert.Equal([1, 2], _log.Notes);
        Assert.Equal(2, _log.Started);
    }

    [Fact]
    public async Task Pauses_between_restarts_double_up_to_the_longest()
    {
        var probe = Spawn(new Supervision { MinBackoff = TimeSpan.FromSeconds(1), MaxBackoff = TimeSpan.FromSeconds(5) });
        foreach (var seconds in new[] { 1, 2, 4, 5, 5 })
        {
            probe.TryTell(Crash());
            await RestartAfterAsync(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(0, await probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled));
        Assert.Equal(6, _log.Started);
    }

    [Fact]
    public async Task Too_many_restarts_within_the_window_escalate()
    {
        var probe = Spawn(new Supervision { MaxRestarts = 2 });
        var last = Crash();
        probe.TryTell(Crash());
        await RestartAfterAsync(TimeSpan.FromMilliseconds(100));
        probe.TryTell(Crash());
        await RestartAfterAsync(TimeSpan.FromMilliseconds(200));
        probe.TryTell(last);
        await probe.Completion;
        Assert.Equal(("probe", last.Exception), await _escalated.Task);
        Assert.Same(last.Exception, probe.Failure);
    }

    [Fact]
    public async Task Restarts_outside_the_window_do_not_count()
    {
        var probe = Spawn(new Supervision { MaxRestarts = 1, Within = TimeSpan.FromMinutes(1) });
        for (var i = 0; i < 5; i++)
        {
            probe.TryTell(Crash());
            await RestartAfterAsync(TimeSpan.FromMilliseconds(100));
            _time.Advance(TimeSpan.FromMinutes(2));
        }

        Assert.Equal(0, await probe.AskAsync<int>(reply => new ProbeMessage.Sum(reply), Cancelled));
        Assert.False(_escalated.Task.IsCompleted);
    }

    [Fact]
    public async Task An_escalated_failure_reaches_the_host_after_the_actor_has_gone()
    {
        var probe = Spawn(Supervision.Escalating);
        var crash = Crash();
        probe.TryTell(crash);
        Assert.Equal(("probe", crash.Exception), await _escalated.Task);
        Assert.False(probe.TryTell(new ProbeMessage.Note(1)));
        await probe.Completion;
        Assert.Equal(1, _log.Stopped);
    }

    [Fact]
    public async Task An_actor_that_may_only_stop_disturbs_nobody()
    {
        var probe = Spawn(Supervision.Stopping);
        var crash = Crash();
        probe.TryTell(crash);
        await probe.Completion;
        Assert.Same(crash.Exception, probe.Failure);
        Assert.False(_escalated.Task.IsCompleted);
        var refused = await Assert.ThrowsAsync<ActorStoppedException>(
            () => probe.TellAsync(new ProbeMessage.Note(1), Cancelled).AsTask());
        Assert.Same(crash.Exception, refused.InnerException);
    }

    [Fact]
    public async Task A_stop_during_the_pause_is_not_held_up_by_it()
    {
        var probe = Spawn(new Supervision { MinBackoff = TimeSpan.FromSeconds(9) });
        probe.TryTell(Crash());
        await _time.WaitForTimerAsync(TimeSpan.FromSeconds(9));
        await probe.StopAsync(StopMode.Discard, Cancelled);
        Assert.Equal(1, _log.Started);
    }

    [Fact]
    public async Task Draining_after_a_failure_restarts_and_handles_what_waits()
    {
        var probe = Spawn(new Supervision());
        probe.TryTell(Crash());
        await _time.WaitForTimerAsync(TimeSpan.FromMilliseconds(100));
        probe.TryTell(new ProbeMessage.Note(7));
        var stop = probe.StopAsync(StopMode.Drain, Cancelled);
        _time.Advance(TimeSpan.FromMilliseconds(100));
        await stop;
        Assert.Equal([7], _log.Notes);
    }

    [Fact]
    public async Task A_schedule_ticks_and_ends_with_its_actor()
    {
        var ticks = System.Threading.Channels.Channel.CreateUnbounded<int>();
        var ticker = _system.Spawn("ticker", () => new Ticker(ticks.Writer), new SpawnOptions());
        await _time.WaitForTimerAsync(TimeSpan.FromSeconds(1));
        for (var i = 1; i <= 3; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(i, await ticks.Reader.ReadAsync(Cancelled));
        }

        await ticker.StopAsync(StopMode.Drain, Cancelled);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.False(ticks.Reader.TryRead(out _));
    }

    [Fact]
    public async Task A_batch_actor_takes_what_waits_up_to_its_bound_and_its_asks_fail_together()
    {
        var release = new TaskCompletionSource();
        var actor = new Batcher(release.Task);
        var batcher = _system.Spawn("batcher", () => actor, new SpawnOptions { Supervision = Supervision.Stopping });
        batcher.TryTell(new ProbeMessage.Note(0));
        await actor.Entered.Task;
        for (var i = 1; i <= 4; i++)
        {
            batcher.TryTell(new ProbeMessage.Note(i));
        }

        var asks = Enumerable.Range(0, 2)
            .Select(_ => batcher.AskAsync<int>(reply => new ProbeMessage.CrashAsked(new InvalidDataException(), reply), Cancelled))
            .ToArray();
        release.SetResult();
        foreach (var ask in asks)
        {
            await Assert.ThrowsAsync<InvalidDataException>(() => ask);
        }

        Assert.Equal([1, 3, 3], actor.Sizes);
    }

    private static ProbeMessage.Crash Crash() => new(new InvalidDataException("planned"));

    private ActorRef<ProbeMessage> Spawn(Supervision supervision) =>
        _system.Spawn("probe", () => new Probe(_log), new SpawnOptions { Supervision = supervision });

    private async Task RestartAfterAsync(TimeSpan pause)
    {
        await _time.WaitForTimerAsync(pause);

        // Every instance that was started has ended: during the pause there is none.
        Assert.Equal(Volatile.Read(ref _log.Started), Volatile.Read(ref _log.Stopped));
        _time.Advance(pause);
    }

    private sealed class Ticker(System.Threading.Channels.ChannelWriter<int> ticks) : Actor<int>
    {
        private int _count;

        protected override ValueTask PreStartAsync(CancellationToken cancellationToken)
        {
            Schedule(0, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
            return ValueTask.CompletedTask;
        }

        protected override ValueTask ReceiveAsync(int message, CancellationToken cancellationToken) =>
            ticks.WriteAsync(++_count, cancellationToken);
    }

    private sealed class Batcher(Task release) : BatchActor<ProbeMessage>(maxMessages: 3)
    {
        public TaskCompletionSource Entered { get; } = new();

        public List<int> Sizes { get; } = [];

        protected override async ValueTask ReceiveAsync(IReadOnlyList<ProbeMessage> messages, CancellationToken cancellationToken)
        {
            Sizes.Add(messages.Count);
            Entered.TrySetResult();
            await release;
            if (messages.OfType<ProbeMessage.CrashAsked>().FirstOrDefault() is { } crash)
            {
                throw crash.Exception;
            }
        }
    }
}

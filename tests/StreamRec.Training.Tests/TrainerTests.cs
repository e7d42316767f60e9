using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Actors;
using StreamRec.Actors.Tests;
using StreamRec.Domain;

namespace StreamRec.Training.Tests;

public sealed class TrainerTests : IAsyncDisposable
{
    private readonly FakeJournal _journal = new();
    private readonly FakeCheckpoints _checkpoints = new();
    private readonly StepFamily _family = new();
    private readonly FreshInteractions _fresh = new();
    private readonly FakeTimeProvider _time = new();
    private readonly ActorSystem _actors;
    private readonly List<Exception> _escalated = [];
    private readonly Channel<TrainerState> _ended = Channel.CreateUnbounded<TrainerState>();

    public TrainerTests()
    {
        _actors = new ActorSystem(_time, (_, exception) => _escalated.Add(exception));
        for (var step = 0; step < 12; step++)
        {
            for (var user = 0; user < 20; user++)
            {
                _journal.Append(($"user-{user}", (user * 40) + step));
            }
        }
    }

    public ValueTask DisposeAsync() => _actors.DisposeAsync();

    [Fact]
    public async Task A_run_starts_when_enough_interactions_are_new()
    {
        var trainer = await SpawnAsync(new TrainingOptions { EveryInteractions = 100, MaxEpochs = 1 });
        Arrive(99);
        _time.Advance(TimeSpan.FromSeconds(1));
        // Asked behind the tick, so answered after it: this run is the first.
        Assert.True((await AskAsync(trainer)).Activated);
        Assert.Equal(1, (await EndedAsync()).Runs);

        Arrive(100);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(2, (await EndedAsync()).Runs);
    }

    [Fact]
    public async Task A_run_starts_when_enough_time_has_passed_and_something_is_new()
    {
        var trainer = await SpawnAsync(new TrainingOptions { Every = TimeSpan.FromMinutes(10), MinInteractions = 10, MaxEpochs = 1 });
        _time.Advance(TimeSpan.FromMinutes(11));
        await AskAsync(trainer);
        Assert.Equal(1, (await EndedAsync()).Runs);

        Arrive(10);
        _time.Advance(TimeSpan.FromMinutes(9));
        await AskAsync(trainer);
        Assert.Equal(2, (await EndedAsync()).Runs);

        Arrive(10);
        _time.Advance(TimeSpan.FromMinutes(10));

        Assert.Equal(3, (await EndedAsync()).Runs);
    }

    [Fact]
    public async Task A_run_can_be_asked_for()
    {
        var trainer = await SpawnAsync(new TrainingOptions { Mode = TrainingMode.Off, MaxEpochs = 1 });

        var report = await trainer.AskAsync<TrainingReport>(
            reply => new TrainerMessage.TrainNow(reply), TestContext.Current.CancellationToken);

        Assert.True(report.Activated, report.Reason);
    }

    [Fact]
    public async Task A_failed_run_is_answered_with_its_failure_and_the_next_one_works()
    {
        var trainer = await SpawnAsync(new TrainingOptions { Mode = TrainingMode.Off, MaxEpochs = 1 });
        _family.Failure = new ModelFailedException("out of memory");
        await Assert.ThrowsAsync<ModelFailedException>(() => AskAsync(trainer));

        Assert.Equal(("out of memory", 1), (await EndedAsync()) is var failed ? (failed.Failure, failed.Runs) : default);

        _family.Failure = null;
        Assert.True((await AskAsync(trainer)).Activated);
        Assert.Equal((null, 2), (await EndedAsync()) is var next ? (next.Failure, next.Runs) : default);
        Assert.Empty(_escalated);
    }

    [Fact]
    public async Task A_failed_run_that_nobody_asked_for_is_shown_and_the_next_trigger_tries_again()
    {
        await SpawnAsync(new TrainingOptions { EveryInteractions = 10, MaxEpochs = 1 });
        _family.Failure = new ModelFailedException("out of memory");
        Arrive(10);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("out of memory", (await EndedAsync()).Failure);

        _family.Failure = null;
        Arrive(10);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True((await EndedAsync()).Last!.Activated);
        Assert.Empty(_escalated);
    }

    [Fact]
    public void Impressions_do_not_count_as_fresh()
    {
        _fresh.Observed("u"u8, new SequenceEntry(1, InteractionType.Impression), []);
        _fresh.Observed("u"u8, new SequenceEntry(1, InteractionType.View), []);

        Assert.Equal(1, _fresh.Count);
    }

    [Fact]
    public void Settings_out_of_range_are_refused_by_name()
    {
        var result = new TrainingOptionsValidator().Validate(null, new TrainingOptions { HoldOut = 0.7, MaxEpochs = 0 });

        Assert.Contains("Training:HoldOut is 0.7; it must be in [0.001, 0.5].", result.Failures!);
        Assert.Contains("Training:MaxEpochs is 0; it must be in [1, 1000].", result.Failures!);
    }

    private static Task<TrainingReport> AskAsync(ActorRef<TrainerMessage> trainer) =>
        trainer.AskAsync<TrainingReport>(reply => new TrainerMessage.TrainNow(reply), TestContext.Current.CancellationToken);

    private async Task<ActorRef<TrainerMessage>> SpawnAsync(TrainingOptions options)
    {
        var trainer = _actors.Spawn(
            "trainer",
            () => new Trainer(
                options, default, _journal, _checkpoints, _family, _ => NoEvidence.Instance, _fresh, Report, "test", _time, NullLogger<Trainer>.Instance),
            new SpawnOptions());
        await _time.WaitForTimerAsync(TimeSpan.FromSeconds(1));
        return trainer;
    }

    private void Report(TrainerState state)
    {
        if (state.Progress is null)
        {
            _ended.Writer.TryWrite(state);
        }
    }

    /// <summary>The state after the next run that ended, well or not.</summary>
    private Task<TrainerState> EndedAsync() =>
        _ended.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    private void Arrive(int count)
    {
        for (var i = 0; i < count; i++)
        {
            _fresh.Observed("u"u8, new SequenceEntry(1, InteractionType.Click), []);
        }
    }
}

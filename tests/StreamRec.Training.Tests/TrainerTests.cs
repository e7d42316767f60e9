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
    private readonly TaskCompletionSource<TrainerState> _report = new(TaskCreationOptions.RunContinuationsAsynchronously);

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
        await SpawnAsync(new TrainingOptions { EveryInteractions = 100, MaxEpochs = 1 });
        Arrive(99);
        _time.Advance(TimeSpan.FromSeconds(1));
        Arrive(1);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True((await ReportAsync()).Last!.Activated);
    }

    [Fact]
    public async Task A_run_starts_when_enough_time_has_passed_and_something_is_new()
    {
        await SpawnAsync(new TrainingOptions { Every = TimeSpan.FromMinutes(10), MinInteractions = 10, MaxEpochs = 1 });
        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.Empty(_checkpoints.Published);
        Arrive(10);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True((await ReportAsync()).Last!.Activated);
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

        _family.Failure = null;
        await _time.WaitForTimerAsync(Supervision.Restarting.MinBackoff);
        var next = AskAsync(trainer);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True((await next).Activated);
        Assert.Empty(_escalated);
    }

    [Fact]
    public void Impressions_do_not_count_as_fresh()
    {
        _fresh.Observed("u", new SequenceEntry(1, InteractionType.Impression), []);
        _fresh.Observed("u", new SequenceEntry(1, InteractionType.View), []);

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
        if (state.Last is not null)
        {
            _report.TrySetResult(state);
        }
    }

    private Task<TrainerState> ReportAsync() => _report.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    private void Arrive(int count)
    {
        for (var i = 0; i < count; i++)
        {
            _fresh.Observed("u", new SequenceEntry(1, InteractionType.Click), []);
        }
    }
}

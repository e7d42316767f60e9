using StreamRec.Domain;

namespace StreamRec.Training.Tests;

public sealed class TrainingRunTests
{
    private readonly FakeJournal _journal = new();
    private readonly FakeCheckpoints _checkpoints = new();
    private readonly StepFamily _family = new();

    // What the evidence speaks for: the item that many numbers after the last one; 0 = nothing.
    private int _follows;

    public TrainingRunTests() => Walk(20, 0, 12);

    [Fact]
    public async Task The_first_model_serves_when_it_beats_popularity()
    {
        var report = await RunAsync();

        Assert.True(report.Activated, report.Reason);
        Assert.Equal(report.Version, _checkpoints.Champion);
        Assert.Equal(1, report.Candidate!.HitRate(10));
        Assert.True(report.Popularity!.Ndcg(10) < 1);
        Assert.Null(report.Champion);
    }

    [Fact]
    public async Task The_first_model_stays_back_when_popularity_is_better()
    {
        _family.Learns = 1000;

        var report = await RunAsync();

        Assert.False(report.Activated);
        Assert.Contains("set by popularity", report.Reason, StringComparison.Ordinal);
        Assert.Single(_checkpoints.Published);
        Assert.Null(_checkpoints.Champion);
    }

    [Fact]
    public async Task The_first_model_stays_back_when_transitions_are_better()
    {
        (_family.Learns, _follows) = (2, 1);

        var report = await RunAsync();

        Assert.False(report.Activated);
        Assert.Contains("set by transitions", report.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_candidate_worse_than_the_champion_is_published_and_does_not_serve()
    {
        await RunAsync();
        Walk(20, 12, 6);
        _family.Learns = 2;

        var report = await RunAsync();

        Assert.False(report.Activated);
        Assert.Contains("set by step@1", report.Reason, StringComparison.Ordinal);
        Assert.Equal("step@1", _checkpoints.Champion!.ToString());
        Assert.Equal(2, _checkpoints.Published.Count);
    }

    [Fact]
    public async Task A_candidate_as_good_goes_on_from_the_champion_and_takes_over()
    {
        await RunAsync();
        Walk(20, 12, 6);

        var report = await RunAsync();

        Assert.True(report.Activated, report.Reason);
        Assert.Equal("parent", _family.ParentDirectory);
        Assert.Equal(1, _family.Stage);
        Assert.Equal(1, _checkpoints.ManifestOf(report.Version!).Parent);
        Assert.Equal(1, report.Champion!.HitRate(10));
    }

    [Fact]
    public async Task A_checkpoint_that_activation_refuses_leaves_the_champion_and_names_the_reason()
    {
        await RunAsync();
        Walk(20, 12, 6);
        _checkpoints.Refusal = "golden input 3 does not reproduce";

        var report = await RunAsync();

        Assert.Equal((false, "golden input 3 does not reproduce"), (report.Activated, report.Reason));
        Assert.Equal("step@1", _checkpoints.Champion!.ToString());
    }

    [Fact]
    public async Task A_damaged_champion_is_left_out_and_named_and_training_starts_afresh()
    {
        await RunAsync();
        Walk(20, 12, 6);
        _checkpoints.Damage = "model.safetensors was altered";

        var report = await RunAsync();

        Assert.True(report.Activated);
        Assert.Contains("set by popularity", report.Reason, StringComparison.Ordinal);
        Assert.Contains("the champion was left out: model.safetensors was altered", report.Reason, StringComparison.Ordinal);
        Assert.Null(_family.ParentDirectory);
        Assert.Equal(0, _family.Stage);
    }

    [Fact]
    public async Task Without_anything_newer_than_the_champion_nothing_is_trained()
    {
        // Each run learns half of what the one before held out (24, then 12), until too little is left to judge by.
        await RunAsync();
        await RunAsync();
        var steps = _family.StepsTrained;

        var report = await RunAsync();

        Assert.Null(report.Version);
        Assert.Equal(steps, _family.StepsTrained);
    }

    [Fact]
    public async Task The_vocabulary_holds_no_item_that_only_the_held_out_interactions_have()
    {
        await RunAsync();

        Assert.DoesNotContain(_journal.Catalogue.Count - 1, _family.Vocabulary!.Items);
    }

    [Fact]
    public async Task What_calibrates_does_not_judge_and_both_models_stand_on_the_counts_of_the_training_part()
    {
        await RunAsync();
        Walk(20, 12, 6);

        var report = await RunAsync();

        var train = Assert.IsType<CountedHistories>(_family.Evidence).Histories.Sum(user => user.Items.Length);
        Assert.Same(_family.Evidence, _checkpoints.Evidence);
        Assert.Equal(20 * 18, train + _family.Calibration.Count + report.Candidate!.Cases);
        Assert.InRange(_family.Calibration.Count, 1, report.Candidate.Cases);
    }

    [Fact]
    public async Task A_cancelled_run_publishes_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        var histories = await Histories.ReadAsync(_journal, null, TestContext.Current.CancellationToken);

        Assert.Throws<OperationCanceledException>(() => NewRun().Run(histories, 1, null, cancelled.Token));
        Assert.Empty(_checkpoints.Published);
    }

    private async Task<TrainingReport> RunAsync() =>
        NewRun().Run(await Histories.ReadAsync(_journal, null, TestContext.Current.CancellationToken), 1, null, TestContext.Current.CancellationToken);

    private TrainingRun NewRun() => new(
        new TrainingOptions { MaxEpochs = 1 }, default, _journal, _checkpoints, _family, histories => new CountedHistories(histories, _follows), "test", TimeProvider.System);

    private sealed class CountedHistories(IReadOnlyList<UserHistory> histories, int follows) : IEvidence
    {
        public IReadOnlyList<UserHistory> Histories => histories;

        public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores)
        {
            if (follows != 0)
            {
                scores[window[^1] + follows] += weight;
            }
        }
    }

    // Everybody walks up the numbers from a start of their own, one segment a step.
    private void Walk(int users, int from, int steps)
    {
        for (var step = from; step < from + steps; step++)
        {
            for (var user = 0; user < users; user++)
            {
                _journal.Append(($"user-{user}", (user * 40) + step));
            }
        }
    }
}

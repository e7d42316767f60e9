using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

public sealed class OffsetTrackerTests
{
    private readonly FakeOffsets _offsets = new(new Changes());

    [Fact]
    public void Only_the_finished_turns_from_the_oldest_on_count()
    {
        var tracker = new OffsetTracker(Source, 5, _offsets);
        var first = tracker.Begin(10, lists: 1);
        var second = tracker.Begin(20, lists: 0);
        second.Finish();
        first.Finish();
        Assert.Equal((5, 0), (tracker.Completed, _offsets.Of(Source)));
        first.ListFinished(null);
        Assert.Equal((20, 20), (tracker.Completed, _offsets.Of(Source)));
    }

    [Fact]
    public void Finished_turns_are_not_kept_however_long_an_older_one_is_open()
    {
        var tracker = new OffsetTracker(Source, 0, _offsets);
        var oldest = tracker.Begin(1, lists: 0);
        var late = tracker.Begin(2, lists: 0);
        for (var offset = 3; offset <= 10_000; offset++)
        {
            tracker.Begin(offset, lists: 0).Finish();
            Assert.Equal(2, tracker.Unfinished);
        }

        oldest.Finish();
        Assert.Equal((1, 1), (tracker.Completed, _offsets.Of(Source)));
        late.Finish();
        Assert.Equal((10_000, 10_000, 0), (tracker.Completed, _offsets.Of(Source), tracker.Unfinished));
    }

    [Fact]
    public void A_turn_that_reads_nothing_new_reports_nothing()
    {
        var tracker = new OffsetTracker(Source, 10, _offsets);
        tracker.Begin(10, lists: 0).Finish();
        Assert.Equal((10, 0), (tracker.Completed, _offsets.Of(Source)));
    }

    [Fact]
    public void A_closed_tracker_reports_nothing_and_still_gets_idle()
    {
        var tracker = new OffsetTracker(Source, 0, _offsets);
        var turn = tracker.Begin(10, lists: 0);
        var idle = tracker.WhenIdleAsync();
        tracker.Close();
        turn.Finish();
        Assert.True(idle.IsCompletedSuccessfully);
        Assert.Equal(0, _offsets.Of(Source));
    }

    [Fact]
    public async Task Turns_finished_by_many_threads_in_any_order_complete_in_offset_order()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var offsets = new FakeOffsets(new Changes());
            var tracker = new OffsetTracker(Source, 0, offsets);
            var finishes = new List<Action>();
            for (var turn = 1; turn <= 40; turn++)
            {
                var lists = seed % 3;
                var ticket = tracker.Begin(turn * 10, lists);
                finishes.Add(ticket.Finish);
                finishes.AddRange(Enumerable.Range(0, lists).Select(_ => new Action(() => ticket.ListFinished(null))));
            }

            var shuffled = finishes.ToArray();
            new Random(seed).Shuffle(shuffled);
            await Parallel.ForEachAsync(shuffled, TestContext.Current.CancellationToken, (finish, _) =>
            {
                finish();
                return ValueTask.CompletedTask;
            });
            Assert.Equal((400, 400), (tracker.Completed, offsets.Of(Source)));
            Assert.Empty(offsets.Violations);
        }
    }
}

using StreamRec.Domain;

namespace StreamRec.Training.Tests;

public sealed class HistoriesTests
{
    // Journal order: a1 b1 | a2 b2 | a3 | b3 a4, positions 1 to 4.
    private static readonly Histories Sample = new(
        [new UserHistory("a", [1, 2, 3, 4]), new UserHistory("b", [11, 12, 13])],
        [new(0, 1), new(1, 1), new(0, 2), new(1, 2), new(0, 3), new(1, 4), new(0, 4)]);

    [Fact]
    public void Leave_one_out_keeps_the_last_two_items_from_training()
    {
        var split = Sample.SplitLast(heldOut: 2, target: 1);

        Assert.Equal([1, 2], split.Train[0].Items);
        Assert.Equal([11], split.Train[1].Items);
        Assert.Equal(4, split.Test[0].Target);
        Assert.Equal([1, 2, 3], split.Test[0].History.ToArray());
    }

    [Fact]
    public void Validation_targets_the_second_last_item_with_what_was_before_it()
    {
        var split = Sample.SplitLast(heldOut: 2, target: 2);

        Assert.Equal((3, 12), (split.Test[0].Target, split.Test[1].Target));
        Assert.Equal([11], split.Test[1].History.ToArray());
    }

    [Fact]
    public void Users_with_fewer_than_three_items_are_trained_on_and_not_tested()
    {
        var split = new Histories([new UserHistory("short", [1, 2])], [new(0, 1), new(0, 1)]).SplitLast(2, 1);

        Assert.Empty(split.Test);
        Assert.Equal([1, 2], Assert.Single(split.Train).Items);
    }

    [Fact]
    public void A_split_by_time_holds_out_the_newest_interactions_each_with_its_own_past()
    {
        var split = Sample.SplitByTime(share: 0.45, most: 100, afterPosition: 0);

        Assert.Equal([1, 2], split.Train[0].Items);
        Assert.Equal([11, 12], split.Train[1].Items);
        Assert.Equal([3, 13, 4], split.HeldOut.Select(test => test.Target));
        Assert.Equal([1, 2, 3], split.HeldOut[2].History.ToArray());
        Assert.Equal(2, split.UpTo);
    }

    [Fact]
    public void What_the_champion_was_trained_on_is_not_held_out()
    {
        var split = Sample.SplitByTime(share: 0.5, most: 100, afterPosition: 2);

        // Three interactions are newer than position 2, and half of them may be held out.
        Assert.Equal([4], split.HeldOut.Select(test => test.Target));
        Assert.Equal(4, split.UpTo);
    }

    [Fact]
    public void Training_never_sees_a_held_out_interaction()
    {
        var random = new Random(3);
        for (var run = 0; run < 50; run++)
        {
            var items = Enumerable.Range(0, 10).Select(_ => new List<int>()).ToArray();
            var arrivals = new List<Arrival>();
            for (var i = 0; i < 300; i++)
            {
                var user = random.Next(10);
                items[user].Add(i);
                arrivals.Add(new Arrival(user, 1 + (i / 7)));
            }

            var histories = new Histories([.. items.Select((list, user) => new UserHistory($"u{user}", [.. list]))], arrivals);
            var split = histories.SplitByTime(random.NextDouble() / 2, 50, random.Next(40));

            var cut = split.HeldOut.Count == 0 ? 300 : split.HeldOut.Min(test => test.Target);
            Assert.All(split.Train.SelectMany(user => user.Items), item => Assert.True(item < cut));
            Assert.All(split.HeldOut, test => Assert.All(test.History.ToArray(), item => Assert.True(item < test.Target)));
            Assert.Equal(300, split.Train.Sum(user => user.Items.Length) + split.HeldOut.Count);
        }
    }
}

using System.Text.Json;
using StreamRec.Cli.Commands;
using StreamRec.Domain;
using StreamRec.Training;
using StreamRec.Training.Experiments;

namespace StreamRec.Cli.Tests;

public sealed class JournalCasesTests
{
    // Two users in turns, a segment for each interaction: journal positions 1 to 8.
    private static readonly Histories Journal = new(
        [new UserHistory("a", [0, 1, 2, 3]), new UserHistory("b", [4, 5, 6, 7])],
        [.. Enumerable.Range(0, 8).Select(i => new Arrival(i % 2, i + 1))]);

    [Fact]
    public void Models_that_left_out_the_last_two_items_are_asked_for_the_last()
    {
        var cases = JournalCases.Of(Journal, [Manifest(HeldOut.LastTwo, 8), Manifest(HeldOut.LastTwo, 8)], Protocol.Strict);

        Assert.Equal("strict protocol", cases.Protocol);
        Assert.Equal([3, 7], cases.Split.Test.Select(test => test.Target));
        Assert.All(cases.Split.Train, user => Assert.Equal(2, user.Items.Length));
    }

    [Theory]
    [InlineData(HeldOut.Newest)]
    [InlineData(HeldOut.Unknown)]
    public void Models_of_a_server_are_asked_for_what_none_of_them_has_seen(HeldOut heldOut)
    {
        var cases = JournalCases.Of(Journal, [Manifest(heldOut, 5), Manifest(HeldOut.LastTwo, 3)], Protocol.Strict);

        Assert.Equal([("b", 6), ("a", 3), ("b", 7)], cases.Split.Test.Select(test => (test.UserId, test.Target)));
        Assert.Equal([3, 2], cases.Split.Train.Select(user => user.Items.Length));
        Assert.Contains("after journal position 5, up to which step@1 was trained", cases.Protocol, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_anything_newer_there_is_nothing_to_ask()
    {
        var refused = Assert.Throws<InvalidOperationException>(() => JournalCases.Of(Journal, [Manifest(HeldOut.Newest, 8)], Protocol.Strict));

        Assert.Contains("nothing came after it", refused.Message, StringComparison.Ordinal);
        Assert.Contains("streamrec train", refused.Message, StringComparison.Ordinal);
    }

    private static CheckpointManifest Manifest(HeldOut heldOut, long trainedUpTo) => new()
    {
        Format = CheckpointManifest.CurrentFormat,
        Family = "step",
        Version = 1,
        Parent = null,
        Created = DateTimeOffset.UnixEpoch,
        CodeVersion = "test",
        Seed = 1,
        Config = default(JsonElement),
        TrainedAfter = 0,
        TrainedUpTo = trainedUpTo,
        HeldOut = heldOut,
        Files = new Dictionary<string, string>(),
        Golden = [],
        Metrics = new Dictionary<string, double>(),
    };
}

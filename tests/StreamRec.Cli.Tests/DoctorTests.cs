using StreamRec.Cli.Commands;
using StreamRec.Kafka.Ingest;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Tests;

public sealed class DoctorTests
{
    [Fact]
    public void What_does_not_match_is_counted_with_the_commonest_reason_and_type()
    {
        var status = new IngestStatus(
            12_403, Counts(("unknown_type", 12_000), ("missing_user_id", 400)), Counts(("ignored_type", 3)),
            new UnmatchedTypeCounts(Counts(("add\u001b[2J", 500), ("view_item", 9_000)), 2_500), 0, []);

        Assert.Equal(
            "12,403 consumed, 0 matched, 3 ignored, 12,400 dead-lettered; commonest reason: unknown_type (12,000); commonest unmatched type: view_item (9,000)",
            DoctorCommand.Describe(IngestView.Of(status)));
    }

    [Fact]
    public void A_type_cannot_command_the_terminal()
    {
        var status = new IngestStatus(1, Counts(("unknown_type", 1)), Counts(), new UnmatchedTypeCounts(Counts(("a\u001b[2J", 1)), 0), 0, []);

        Assert.EndsWith("commonest unmatched type: a?[2J (1)", DoctorCommand.Describe(IngestView.Of(status)), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_all_is_well_there_is_nothing_more_to_say() =>
        Assert.Equal(
            "7 consumed, 7 matched",
            DoctorCommand.Describe(IngestView.Of(new IngestStatus(7, Counts(), Counts(), new UnmatchedTypeCounts(Counts(), 0), 0, []))));

    private static Dictionary<string, long> Counts(params (string Key, long Value)[] counts) => counts.ToDictionary(c => c.Key, c => c.Value);
}

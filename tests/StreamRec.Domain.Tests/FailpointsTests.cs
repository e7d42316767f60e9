namespace StreamRec.Domain.Tests;

public sealed class FailpointsTests
{
    [Fact]
    public void A_place_and_a_number_of_times_are_read()
    {
        Assert.Equal(Failpoint.JournalCommitted, Failpoints.Read("JournalCommitted:3", out var times));
        Assert.Equal(3, times);
        Assert.Null(Failpoints.Read(null, out _));
        Assert.Null(Failpoints.Read("", out _));
    }

    [Theory]
    [InlineData("JournalCommitted")]
    [InlineData("JournalCommitted:")]
    [InlineData("JournalCommitted:0")]
    [InlineData("JournalCommitted:-1")]
    [InlineData("Nowhere:1")]
    [InlineData("3:1")]
    [InlineData(":1")]
    public void Anything_else_is_refused_with_the_places_there_are(string text)
    {
        var refusal = Assert.Throws<ArgumentException>(() => Failpoints.Read(text, out _));

        Assert.Contains($"'{text}'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(Failpoint.PartitionOpened), refusal.Message, StringComparison.Ordinal);
    }
}

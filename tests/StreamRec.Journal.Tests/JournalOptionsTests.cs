using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace StreamRec.Journal.Tests;

public sealed class JournalOptionsTests
{
    [Fact]
    public void The_defaults_are_valid()
    {
        Assert.True(new JournalOptionsValidator().Validate(null, new JournalOptions()).Succeeded);
    }

    [Fact]
    public void A_setting_outside_its_range_is_named_with_its_value_and_the_range()
    {
        Refused(new JournalOptions { Path = " " }, "Journal:Path is empty");
        Refused(new JournalOptions { MaxItems = 0 }, "Journal:MaxItems is 0; it must be in [1, 536870912].");
        Refused(new JournalOptions { MaxItems = int.MaxValue }, "Journal:MaxItems is 2147483647");
        Refused(new JournalOptions { CommitQueue = 0 }, "Journal:CommitQueue is 0; it must be in [1, 65536].");
        Refused(new JournalOptions { JoinSegments = -1 }, "Journal:JoinSegments is -1; it must be in [0, 65536].");
        Refused(new JournalOptions { Synchronous = (JournalSynchronous)5 }, "Journal:Synchronous is 5");

        static void Refused(JournalOptions options, string expected) =>
            Assert.Contains(expected, new JournalOptionsValidator().Validate(null, options).FailureMessage);
    }

    [Fact]
    public async Task A_journal_is_not_opened_with_invalid_settings()
    {
        await Assert.ThrowsAsync<OptionsValidationException>(() => SegmentJournal.OpenAsync(
            new JournalOptions { CommitQueue = 0 }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, TestContext.Current.CancellationToken));
    }
}

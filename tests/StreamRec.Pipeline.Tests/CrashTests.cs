using StreamRec.Journal.Tests;

namespace StreamRec.Pipeline.Tests;

/// <summary>A short run of what <c>./build.sh bench crash</c> does for longer.</summary>
[Collection(nameof(PostgresServer))]
public sealed class CrashTests(PostgresFixture database)
{
    [Fact]
    public async Task Killed_anywhere_the_server_loses_nothing_and_does_nothing_twice() => await RunAsync(new CrashOptions(Kills: 20, Seed: 1));

    [Fact]
    public async Task Killed_anywhere_the_server_loses_nothing_and_does_nothing_twice_on_postgresql()
    {
        Assert.SkipWhen(database.Missing is not null, database.Missing ?? "");
        await RunAsync(new CrashOptions(Kills: 10, Seed: 2) { ConnectionString = database.NewSchema() });
    }

    private static async Task RunAsync(CrashOptions options)
    {
        using var directory = new TempDirectory();
        var report = await CrashRun.RunAsync(options, directory.Path, line => TestContext.Current.SendDiagnosticMessage(line));
        Assert.Empty(report.Violations);
        Assert.Equal(options.Kills, report.Kills.Values.Sum() + report.NotReached.Values.Sum());
        // Where a slow machine does not come to a place in time, the kill is one more at a random moment.
        Assert.InRange(report.NotReached.Values.Sum(), 0, options.Kills / 2);
    }
}

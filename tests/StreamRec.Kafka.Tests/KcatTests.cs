using System.Diagnostics;

namespace StreamRec.Kafka.Tests;

public sealed class KcatTests
{
    [Fact]
    public async Task A_foreign_client_can_write_what_ingest_reads_and_read_what_was_written()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/kcat"), "kcat is not installed (apt-get install kcat).");
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { Partitions = 1 });
        await Kcat("""{"user_id":"kcat","item_id":"i1"}""", "-P", "-b", kafka.Servers, "-t", kafka.Options.Topics.Interactions, "-k", "kcat");

        var sink = new FakeSink();
        using var ingest = await kafka.IngestAsync(sink, new FakeDeadLetters());
        await Eventually.True(() => sink.Received == 1, "kcat's interaction arrives");
        Assert.Equal("kcat", sink.Batches.Single().Interactions.Interaction(0).UserId);
        await ingest.StopAsync(TestContext.Current.CancellationToken);

        var output = await Kcat(
            "", "-C", "-b", kafka.Servers, "-t", kafka.Options.Topics.Interactions, "-c", "1", "-e", "-q", "-o", "beginning", "-f", "%k=%s");
        Assert.Equal("""kcat={"user_id":"kcat","item_id":"i1"}""", output.Trim());
    }

    private static async Task<string> Kcat(string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("/usr/bin/kcat", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}

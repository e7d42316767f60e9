using System.Text.Json;

namespace StreamRec.Harness;

/// <summary>The embedded broker in a process of its own, which outlives the servers that a test kills.</summary>
public sealed class BrokerProcess : IAsyncDisposable
{
    private readonly StreamRecProcess _process;

    private BrokerProcess(StreamRecProcess process, string bootstrapServers)
    {
        _process = process;
        BootstrapServers = bootstrapServers;
    }

    public string BootstrapServers { get; }

    /// <summary>Answers nobody until <see cref="Resume"/>; what it holds stays.</summary>
    public void Suspend() => _process.Suspend();

    public void Resume() => _process.Resume();

    public static async Task<BrokerProcess> StartAsync(int partitions = 4)
    {
        var process = StreamRecProcess.Start("broker", "--json", "--set", $"Kafka:Partitions={partitions}");
        try
        {
            await Eventually.TrueAsync(() => process.Output.Contains('}', StringComparison.Ordinal), "the broker's address", process.Describe);
            using var json = JsonDocument.Parse(process.Output);
            return new BrokerProcess(process, json.RootElement.GetProperty("bootstrap_servers").GetString()!);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();
}

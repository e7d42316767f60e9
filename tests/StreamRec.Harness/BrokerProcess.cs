using System.Text.Json;
using Confluent.Kafka;

namespace StreamRec.Harness;

/// <summary>The embedded broker in a process of its own, which outlives the servers that a test kills and misbehaves when it is told to.</summary>
public sealed class BrokerProcess : IAsyncDisposable
{
    private readonly StreamRecProcess _process;
    private int _told;

    private BrokerProcess(StreamRecProcess process, string bootstrapServers)
    {
        _process = process;
        BootstrapServers = bootstrapServers;
    }

    public string BootstrapServers { get; }

    public StreamRecProcess Process => _process;

    /// <summary>Answers nobody until <see cref="Resume"/>; what it holds stays.</summary>
    public void Suspend() => _process.Suspend();

    public void Resume() => _process.Resume();

    /// <summary>Disconnects everybody and refuses connections until <see cref="UpAsync"/>; what it holds stays.</summary>
    public Task DownAsync() => TellAsync("down");

    public Task UpAsync() => TellAsync("up");

    /// <summary>Delays every answer from now on.</summary>
    public Task DelayAsync(TimeSpan roundTrip) => TellAsync($"rtt {(int)roundTrip.TotalMilliseconds}");

    /// <summary>Answers the next requests of one kind with an error.</summary>
    /// <param name="api">Kafka's name of the request, such as Fetch.</param>
    /// <param name="code">The error.</param>
    /// <param name="count">How many of them.</param>
    public Task FailAsync(string api, ErrorCode code, int count) => TellAsync($"errors {api} {(int)code} {count}");

    /// <summary>How many records each partition of a topic has dropped to make room.</summary>
    public async Task<long[]> DroppedAsync(string topic) =>
        (await TellAsync("dropped")).GetProperty("dropped").GetProperty(topic).Deserialize<long[]>()!;

    /// <summary>Sends a line to the broker and returns its answer. One at a time.</summary>
    /// <exception cref="InvalidOperationException">The broker refuses it.</exception>
    public async Task<JsonElement> TellAsync(string line)
    {
        // The first line of its output is its address.
        var answer = ++_told;
        await _process.TellAsync(line);
        await Eventually.TrueAsync(() => Lines.Length > answer, $"the broker's answer to '{line}'", _process.Describe);
        using var json = JsonDocument.Parse(Lines[answer]);
        return json.RootElement.GetProperty("ok").GetBoolean()
            ? json.RootElement.Clone()
            : throw new InvalidOperationException(json.RootElement.GetProperty("error").GetString());
    }

    public static async Task<BrokerProcess> StartAsync(int partitions = 4)
    {
        var process = StreamRecProcess.StartListening("broker", "--json", "--set", $"Kafka:Partitions={partitions}");
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

    private string[] Lines => _process.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}

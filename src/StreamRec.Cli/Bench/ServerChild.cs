using StreamRec.Server.Http;

namespace StreamRec.Cli.Bench;

/// <summary>What answers the records of the interactions topic: the server, or what it is compared with.</summary>
internal interface IResponder : IAsyncDisposable
{
    /// <summary>What it has used so far, all threads.</summary>
    TimeSpan ProcessorTime { get; }
}

/// <summary><c>streamrec serve</c> in a process of its own.</summary>
internal sealed class ServerChild : IResponder
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(5);

    private readonly Child _process;

    private ServerChild(Child process, HttpClient http) => (_process, Http) = (process, http);

    /// <summary>Its HTTP interface.</summary>
    public HttpClient Http { get; }

    public TimeSpan ProcessorTime => _process.ProcessorTime;

    /// <summary>Starts it and waits until it says that it is ready; its first partitions come some seconds later.</summary>
    public static async Task<ServerChild> StartAsync(string data, string bootstrapServers, CancellationToken cancellationToken)
    {
        string[] settings = [$"Kafka:BootstrapServers={bootstrapServers}", "Server:HttpPort=0", "Training:Mode=Off", "Inference:MaxBatchSize=64"];
        var process = Child.Start(["serve", "--data", data, .. settings.SelectMany(setting => new[] { "--set", setting })]);
        try
        {
            var started = TimeProvider.System.GetTimestamp();
            while (TimeProvider.System.GetElapsedTime(started) < Patience)
            {
                if (process.HasExited)
                {
                    throw process.Ended();
                }

                // What a killed server has left behind names another process.
                if (ServerAddress.Find(data) is { } address && address.ProcessId == process.Id)
                {
                    var http = new HttpClient { BaseAddress = address.Url };
                    return await http.GetStringAsync("health/ready", cancellationToken) == "ready"
                        ? new ServerChild(process, http)
                        : throw new BenchFailedException("The server listens and is not ready.");
                }

                await Task.Delay(Period, cancellationToken);
            }

            throw new BenchFailedException($"The server is not ready after {Patience.TotalMinutes:F0} minutes.");
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync() => _process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _process.DisposeAsync();
    }
}

/// <summary><c>streamrec broker</c> in a process of its own.</summary>
internal sealed class BrokerChild : IAsyncDisposable
{
    private readonly Child _process;

    private BrokerChild(Child process, string bootstrapServers) => (_process, BootstrapServers) = (process, bootstrapServers);

    public string BootstrapServers { get; }

    public static async Task<BrokerChild> StartAsync(int partitions, CancellationToken cancellationToken)
    {
        var process = Child.Start("broker", "--json", "--set", $"Kafka:Partitions={partitions}");
        try
        {
            return new BrokerChild(process, (await process.ReadAsync(cancellationToken)).GetProperty("bootstrap_servers").GetString()!);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();
}

using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using StreamRec.Server.Http;

namespace StreamRec.Pipeline.Tests;

/// <summary><c>streamrec serve</c> on a data directory.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private readonly HttpClient _http;

    private ServerProcess(StreamRecProcess process, ServerAddress address)
    {
        Process = process;
        Address = address;
        _http = new HttpClient { BaseAddress = address.Url };
    }

    public StreamRecProcess Process { get; }

    public ServerAddress Address { get; }

    /// <summary>Starts a server and waits until it is ready. Its first partitions come a few seconds later.</summary>
    public static async Task<ServerProcess> StartAsync(string data, string bootstrapServers, params IEnumerable<string> settings)
    {
        string[] all = [$"Kafka:BootstrapServers={bootstrapServers}", "Server:HttpPort=0", .. settings];
        var process = StreamRecProcess.Start(["serve", "--data", data, .. all.SelectMany(setting => new[] { "--set", setting })]);
        try
        {
            ServerAddress? address = null;
            await Eventually.TrueAsync(
                () =>
                {
                    Assert.False(process.HasExited, process.Describe());
                    address = ServerAddress.Find(data);
                    // What a killed server has left behind names another process.
                    return address?.ProcessId == process.Id;
                },
                "the server's address",
                process.Describe);
            var server = new ServerProcess(process, address!);
            Assert.Equal("ready", await server._http.GetStringAsync("health/ready", TestContext.Current.CancellationToken));
            return server;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public async Task<FiguresView> FiguresAsync() =>
        (await _http.GetFromJsonAsync<FiguresView>("figures", ViewJson.Options, TestContext.Current.CancellationToken))!;

    /// <summary>What the node says of a user; null when nothing is known.</summary>
    public async Task<UserView?> UserAsync(string user)
    {
        using var response = await _http.GetAsync($"users/{user}", TestContext.Current.CancellationToken);
        return response.StatusCode == HttpStatusCode.NotFound
            ? null
            : await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<UserView>(ViewJson.Options, TestContext.Current.CancellationToken);
    }

    public async Task ForgetAsync(string user)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"users/{user}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Address.Token);
        using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Process.DisposeAsync();
    }
}

using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using StreamRec.Server.Http;

namespace StreamRec.Harness;

/// <summary><c>streamrec serve</c> on a data directory.</summary>
public sealed class ServerProcess : IAsyncDisposable
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
    public static Task<ServerProcess> StartAsync(string data, string bootstrapServers, params IEnumerable<string> settings) =>
        WhenReadyAsync(StreamRecProcess.Start(Arguments(data, bootstrapServers, settings)), data);

    /// <summary>The command line of a server with a port of its own.</summary>
    public static IEnumerable<string> Arguments(string data, string bootstrapServers, IEnumerable<string> settings)
    {
        string[] all = [$"Kafka:BootstrapServers={bootstrapServers}", "Server:HttpPort=0", .. settings];
        return ["serve", "--data", data, .. all.SelectMany(setting => new[] { "--set", setting })];
    }

    /// <summary>Waits until a server that was started is ready; kills it when that fails.</summary>
    /// <exception cref="ServerEndedException">It has ended.</exception>
    public static async Task<ServerProcess> WhenReadyAsync(StreamRecProcess process, string data)
    {
        try
        {
            ServerAddress? address = null;
            await Eventually.TrueAsync(
                () =>
                {
                    if (process.HasExited)
                    {
                        throw new ServerEndedException($"The server has ended. {process.Describe()}");
                    }

                    address = ServerAddress.Find(data);
                    // What a killed server has left behind names another process.
                    return address?.ProcessId == process.Id;
                },
                "the server's address",
                process.Describe);
            var server = new ServerProcess(process, address!);
            return await server.NotReadyAsync() is { } problem
                ? throw new InvalidOperationException($"The server listens and is not ready: {problem}. {process.Describe()}")
                : server;
        }
        catch (HttpRequestException)
        {
            // It ended while it was asked; otherwise this wait fails.
            await process.ExitAsync();
            var ended = new ServerEndedException($"The server has ended. {process.Describe()}");
            await process.DisposeAsync();
            throw ended;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Why the server says that it is not ready; null when it is.</summary>
    public async Task<string?> NotReadyAsync()
    {
        using var response = await _http.GetAsync("health/ready");
        return response.IsSuccessStatusCode ? null : await response.Content.ReadAsStringAsync();
    }

    public async Task<FiguresView> FiguresAsync() =>
        (await _http.GetFromJsonAsync<FiguresView>("figures", ViewJson.Options))!;

    /// <summary>What the node says of a user; null when nothing is known.</summary>
    public async Task<UserView?> UserAsync(string user)
    {
        using var response = await _http.GetAsync($"users/{user}");
        return response.StatusCode == HttpStatusCode.NotFound
            ? null
            : await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<UserView>(ViewJson.Options);
    }

    public async Task ForgetAsync(string user)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"users/{user}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Address.Token);
        using var response = await _http.SendAsync(request);
        response.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Process.DisposeAsync();
    }
}

/// <summary>A server has ended that was expected to run.</summary>
public sealed class ServerEndedException(string message) : Exception(message);

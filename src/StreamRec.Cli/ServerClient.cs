using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using StreamRec.Server.Http;

namespace StreamRec.Cli;

/// <summary>The running server of a data directory, over its HTTP interface.</summary>
internal sealed class ServerClient : IDisposable
{
    private readonly HttpClient _http;

    private ServerClient(ServerAddress address)
    {
        Address = address;
        _http = new HttpClient { BaseAddress = address.Url, Timeout = TimeSpan.FromMinutes(30) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", address.Token);
    }

    public ServerAddress Address { get; }

    /// <summary>The server that runs on this data, or null: then the command works on the data itself.</summary>
    public static ServerClient? Find(string dataDirectory) =>
        ServerAddress.Find(dataDirectory) is { } address ? new ServerClient(address) : null;

    public Task<T> GetAsync<T>(string path, CancellationToken cancellationToken) => SendAsync<T>(HttpMethod.Get, path, cancellationToken);

    public Task<T> PostAsync<T>(string path, CancellationToken cancellationToken) => SendAsync<T>(HttpMethod.Post, path, cancellationToken);

    public Task<T> DeleteAsync<T>(string path, CancellationToken cancellationToken) => SendAsync<T>(HttpMethod.Delete, path, cancellationToken);

    /// <summary>An answer whose body is still to be read.</summary>
    public Task<HttpResponseMessage> PostForStreamAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    public void Dispose() => _http.Dispose();

    private async Task<T> SendAsync<T>(HttpMethod method, string path, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(method, path, HttpCompletionOption.ResponseContentRead, cancellationToken);
        return (await response.Content.ReadFromJsonAsync<T>(ViewJson.Options, cancellationToken))!;
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, completion, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw new ServerRefusedException($"the server (process {Address.ProcessId}) does not answer at {Address.Url}: {exception.Message}");
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw new ServerRefusedException(await DetailAsync(response, cancellationToken));
        }
    }

    private static async Task<string> DetailAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        try
        {
            using var problem = JsonDocument.Parse(body);
            return problem.RootElement.TryGetProperty("detail", out var detail) && detail.GetString() is { } text
                ? text
                : $"the server answered {(int)response.StatusCode}";
        }
        catch (JsonException)
        {
            return $"the server answered {(int)response.StatusCode}";
        }
    }
}

/// <summary>The server said no; the message is its reason.</summary>
internal sealed class ServerRefusedException(string message) : Exception(message);

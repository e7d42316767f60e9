using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using StreamRec.Journal;
using StreamRec.Server;
using StreamRec.Server.Http;

namespace StreamRec.Cli;

/// <summary>The journal's interactions, from the server that runs on the data, or from the data itself where none runs.</summary>
internal sealed class InteractionSource : IAsyncDisposable
{
    private readonly StreamRecOptions _options;
    private readonly ServerClient? _server;
    private readonly OfflineData? _data;

    private InteractionSource(StreamRecOptions options, ServerClient? server, OfflineData? data)
    {
        _options = options;
        _server = server;
        _data = data;
    }

    /// <summary>The newest position, for progress; known once reading has begun.</summary>
    public long Position { get; private set; }

    /// <exception cref="JournalInUseException">Another command has the data.</exception>
    public static async Task<InteractionSource> OpenAsync(StreamRecOptions options, ILoggerFactory logs, CancellationToken cancellationToken) =>
        ServerClient.Find(options.Server.DataDirectory) is { } server
            ? new InteractionSource(options, server, null)
            : new InteractionSource(options, null, await OfflineData.OpenAsync(options, JournalAccess.Shared, logs, cancellationToken));

    /// <summary>As <see cref="InteractionRow.ReadAsync"/>.</summary>
    /// <exception cref="ServerRefusedException">The server does not answer, or says no.</exception>
    public async IAsyncEnumerable<InteractionRow> ReadAsync(
        long afterPosition, string? userId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_data is not null)
        {
            Position = (await _data.Journal.StatisticsAsync(cancellationToken)).Position;
            await foreach (var row in InteractionRow.ReadAsync(_data.Journal, afterPosition, userId, cancellationToken))
            {
                yield return row;
            }

            yield break;
        }

        var ofUser = userId is null ? "" : $"&user={Uri.EscapeDataString(userId)}";
        using var response = await _server!.PostForStreamAsync($"interactions?after={afterPosition}{ofUser}", cancellationToken);
        Position = response.Headers.TryGetValues(ApiServer.PositionHeader, out var values) && long.TryParse(values.First(), out var position) ? position : 0;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            yield return JsonSerializer.Deserialize<InteractionRow>(line, ViewJson.Options)!;
        }
    }

    /// <summary>A user's state, null when nothing is known.</summary>
    public async Task<UserView?> ReadUserAsync(string userId, CancellationToken cancellationToken)
    {
        if (_data is null)
        {
            return await _server!.GetAsync<UserView>($"users/{Uri.EscapeDataString(userId)}", cancellationToken);
        }

        return await _data.Journal.ReadUserAsync(userId, _options.Users.MaxSequence, cancellationToken) is { } state
            ? UserView.Of(userId, state.Count, state.LastTimestampMs, state.Entries, _data.Journal.Catalogue)
            : null;
    }

    public async ValueTask DisposeAsync()
    {
        _server?.Dispose();
        if (_data is not null)
        {
            await _data.DisposeAsync();
        }
    }
}

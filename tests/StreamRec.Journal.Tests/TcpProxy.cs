using System.Net;
using System.Net.Sockets;

namespace StreamRec.Journal.Tests;

/// <summary>What to do with bytes on their way to the server.</summary>
public enum Pass
{
    /// <summary>Send them on.</summary>
    On,

    /// <summary>The connection breaks before they are sent.</summary>
    BreakBefore,

    /// <summary>They are sent, and the connection breaks before the answer.</summary>
    BreakAfter,
}

/// <summary>A network between client and server that breaks where it is told to.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _serverPort;
    private readonly Task _accepting;

    public TcpProxy(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Asked for each piece that a client sends.</summary>
    public Func<ReadOnlyMemory<byte>, Pass> OnRequest { get; set; } = static _ => Pass.On;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                client.NoDelay = server.NoDelay = true;
                await server.ConnectAsync(IPAddress.Loopback, _serverPort, closing.Token);
                var (down, up) = (server.GetStream(), client.GetStream());
                var answers = down.CopyToAsync(up, closing.Token);
                var buffer = new byte[1 << 16];
                for (int read; (read = await up.ReadAsync(buffer, closing.Token)) > 0;)
                {
                    var pass = OnRequest(buffer.AsMemory(0, read));
                    if (pass == Pass.BreakAfter)
                    {
                        // Whether the answer is under way or not, the client shall not see it.
                        client.Client.Close(0);
                    }

                    if (pass != Pass.BreakBefore)
                    {
                        await down.WriteAsync(buffer.AsMemory(0, read), closing.Token);
                    }

                    if (pass != Pass.On)
                    {
                        break;
                    }
                }

                client.Client.Close(0);
                if (!answers.IsCompleted)
                {
                    // The server ends the session by itself when it has read to the end.
                    server.Client.Shutdown(SocketShutdown.Send);
                    await answers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Broken, as networks are.
            }
            finally
            {
                await closing.CancelAsync();
            }
        }
    }
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Cli.Simulation;
using StreamRec.Domain;
using StreamRec.Kafka.Publish;
using ServerPipeline = StreamRec.Server.Pipeline;

namespace StreamRec.Pipeline.Tests;

/// <summary>A shop that is never closed: a producer that goes on sending while models change.</summary>
internal sealed class BusyShop : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, long> _sent = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<Interaction> _extra = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ServerPipeline _pipeline;
    private readonly Task _sending;

    /// <param name="pipeline">Where it sends to.</param>
    /// <param name="first">Interactions that it sends at once, to fill the journal for a first training.</param>
    /// <param name="rate">Interactions a second from then on, on average.</param>
    public BusyShop(ServerPipeline pipeline, int first, double rate)
    {
        _pipeline = pipeline;
        _sending = Task.Run(() => SendAsync(first, rate));
    }

    /// <summary>How many interactions of each user were sent.</summary>
    public IReadOnlyDictionary<string, long> Sent => _sent;

    public void Enqueue(Interaction interaction) => _extra.Enqueue(interaction);

    /// <summary>Waits until so many interactions are applied.</summary>
    public Task AppliedAsync(long interactions) => Eventually.TrueAsync(
        () =>
        {
            Assert.False(_pipeline.Failed.IsCompleted, _pipeline.Failed.IsCompleted ? _pipeline.Failed.Result.ToString() : null);
            return _pipeline.Figures.Interactions >= interactions;
        },
        $"{interactions} interactions", () => $"There are {_pipeline.Figures.Interactions}.");

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _sending;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
    }

    private async Task SendAsync(int first, double rate)
    {
        using var producer = new InteractionProducer(_pipeline.Cluster, _pipeline.Options.Kafka, NullLogger<InteractionProducer>.Instance);
        var shop = new Shop(Recipe.Shop);
        var started = TimeProvider.System.GetTimestamp();
        var count = 0L;
        while (!_stopping.IsCancellationRequested)
        {
            var due = first + (TimeProvider.System.GetElapsedTime(started).TotalSeconds * rate);
            for (; count < due; count++)
            {
                await SendAsync(producer, _extra.TryDequeue(out var extra) ? extra : shop.Next(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()));
            }

            await Task.Delay(10, CancellationToken.None);
        }

        await producer.FlushAsync(CancellationToken.None);
    }

    private async Task SendAsync(InteractionProducer producer, Interaction interaction)
    {
        _sent.AddOrUpdate(interaction.UserId, 1, static (_, count) => count + 1);
        await producer.SendAsync(interaction, CancellationToken.None);
    }
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Cli.Simulation;
using StreamRec.Domain;
using StreamRec.Kafka.Publish;
using StreamRec.Server;
using ServerPipeline = StreamRec.Server.Pipeline;

namespace StreamRec.Pipeline.Tests;

/// <summary>Models that come and go while interactions stream in, in the process of the test.</summary>
public sealed class ModelSwapTests
{
    private const double Rate = 800;

    [Fact]
    public async Task A_first_model_serves_after_training_and_a_swap_loses_no_list()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var directory = new TempDirectory();
        var options = StreamRecOptions.Load(null, new Dictionary<string, string?>
        {
            ["Server:DataDirectory"] = directory["data"],
            ["Training:Mode"] = "Off",
            ["Training:Recipe"] = Recipe.Write(directory["recipe.json"]),
            ["Training:MaxEpochs"] = "15",
            ["Training:Budget"] = "00:00:20",
            // What is tested is the swap: any second model will do.
            ["Training:MinNdcgRatio"] = "0",
        });
        await using var pipeline = await ServerPipeline.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        var versions = new ConcurrentDictionary<int, long>();
        using var lists = new ListWatcher(
            pipeline.Cluster.BootstrapServers, (list, _) => versions.AddOrUpdate(list.Model?.Version ?? 0, 1, (_, count) => count + 1));
        await using var shop = new BusyShop(pipeline);

        await AppliedAsync(pipeline, 4000);
        var first = await pipeline.TrainNowAsync(cancellationToken);
        Assert.True(first.Activated, first.Reason);
        Assert.Equal(1, first.Version!.Version);
        Assert.Equal(1, (await ProbeAsync(shop, lists, "after-the-first")).Model!.Version);

        await AppliedAsync(pipeline, pipeline.Figures.Interactions + 1500);
        var second = await pipeline.TrainNowAsync(cancellationToken);
        Assert.True(second.Activated, second.Reason);
        Assert.Equal(2, second.Version!.Version);
        Assert.Equal(2, (await ProbeAsync(shop, lists, "after-the-swap")).Model!.Version);
        Assert.Equal(1, pipeline.Figures.Swaps);

        Assert.Equal(1, pipeline.Models.Rollback().Version);
        Assert.Equal(1, (await ProbeAsync(shop, lists, "after-the-rollback")).Model!.Version);

        await shop.StopAsync();
        await lists.AllAsync(shop.Sent);
        Assert.All(shop.Sent, user => Assert.Equal(user.Value, lists.Newest(user.Key)!.Sequence));
        Assert.Empty(lists.Faults);
        Assert.Equal([0, 1, 2], versions.Keys.Order());
        Assert.False(pipeline.Failed.IsCompleted);
    }

    private static Task AppliedAsync(ServerPipeline pipeline, long interactions) => Eventually.TrueAsync(
        () =>
        {
            Assert.False(pipeline.Failed.IsCompleted, pipeline.Failed.IsCompleted ? pipeline.Failed.Result.ToString() : null);
            return pipeline.Figures.Interactions >= interactions;
        },
        $"{interactions} interactions", () => $"There are {pipeline.Figures.Interactions}.");

    // Sent after the swap, so its list can only come from the model that serves since then.
    private static async Task<SeenList> ProbeAsync(BusyShop shop, ListWatcher lists, string user)
    {
        shop.Enqueue(new Interaction(user, "item-00001", InteractionType.Click, 0));
        var list = await lists.ListAsync(user, 1);
        Assert.Null(list.Fallback);
        return list;
    }

    /// <summary>A shop that is never closed: a producer that goes on sending while models change.</summary>
    private sealed class BusyShop : IAsyncDisposable
    {
        private readonly ConcurrentDictionary<string, long> _sent = new(StringComparer.Ordinal);
        private readonly ConcurrentQueue<Interaction> _extra = new();
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _sending;

        public BusyShop(ServerPipeline pipeline)
        {
            _sending = Task.Run(() => SendAsync(pipeline));
        }

        /// <summary>How many interactions of each user were sent.</summary>
        public IReadOnlyDictionary<string, long> Sent => _sent;

        public void Enqueue(Interaction interaction) => _extra.Enqueue(interaction);

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

        private async Task SendAsync(ServerPipeline pipeline)
        {
            using var producer = new InteractionProducer(pipeline.Cluster, pipeline.Options.Kafka, NullLogger<InteractionProducer>.Instance);
            var shop = new Shop(Recipe.Shop);
            var started = TimeProvider.System.GetTimestamp();
            var count = 0L;
            while (!_stopping.IsCancellationRequested)
            {
                // At the rate on average; a first burst fills the journal for the first training.
                var due = 4000 + (TimeProvider.System.GetElapsedTime(started).TotalSeconds * Rate);
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
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
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
        await using var shop = new BusyShop(pipeline, first: 4000, Rate);

        await shop.AppliedAsync(4000);
        var first = await pipeline.TrainNowAsync(cancellationToken);
        Assert.True(first.Activated, first.Reason);
        Assert.Equal(1, first.Version!.Version);
        Assert.Equal(1, (await ProbeAsync(shop, lists, "after-the-first")).Model!.Version);

        await shop.AppliedAsync(pipeline.Figures.Interactions + 1500);
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

    // Sent after the swap, so its list can only come from the model that serves since then.
    private static async Task<SeenList> ProbeAsync(BusyShop shop, ListWatcher lists, string user)
    {
        shop.Enqueue(new Interaction(user, "item-00001", InteractionType.Click, 0));
        var list = await lists.ListAsync(user, 1);
        Assert.Null(list.Fallback);
        return list;
    }
}

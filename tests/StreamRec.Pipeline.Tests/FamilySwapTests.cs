using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Server;
using StreamRec.Training;
using ServerPipeline = StreamRec.Server.Pipeline;

namespace StreamRec.Pipeline.Tests;

/// <summary>Models of different families that take over from one another while interactions stream in, in the process of the test.</summary>
public sealed class FamilySwapTests
{
    // A list is written token by token; what is tested is the swap, not the rate.
    private const double Rate = 40;

    private const string GenRec = """
        {
          "family": "genrec-seq2seq",
          "model": { "hidden": 32, "encoderLayers": 1, "decoderLayers": 1, "heads": 2, "feedForward": 64, "maxItems": 8, "idScale": 1 },
          "text": { "user": false },
          "stages": [{ "learningRate": 0.005, "warmUpSteps": 10, "texts": 2 }],
          "decoding": { "beams": 10 }
        }
        """;

    [Fact]
    public async Task A_model_that_writes_text_and_one_that_does_not_swap_without_losing_a_list()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["genrec.json"], GenRec, cancellationToken);
        var options = StreamRecOptions.Load(null, new Dictionary<string, string?>
        {
            ["Server:DataDirectory"] = directory["data"],
            ["Training:Mode"] = "Off",
            ["Training:Recipe"] = directory["genrec.json"],
            ["Training:MaxEpochs"] = "3",
            ["Training:Budget"] = "00:00:10",
        });
        await using var pipeline = await ServerPipeline.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        var families = new ConcurrentDictionary<string, long>(StringComparer.Ordinal);
        using var lists = new ListWatcher(
            pipeline.Cluster.BootstrapServers, (list, _) => families.AddOrUpdate(list.Model?.Family ?? "none", 1, (_, count) => count + 1));
        await using var shop = new BusyShop(pipeline, first: 1500, Rate);
        await shop.AppliedAsync(1500);

        var trained = await pipeline.TrainNowAsync(cancellationToken);
        Assert.NotNull(trained.Version);
        Assert.Equal("genrec-seq2seq@1", trained.Version.ToString());
        // Whether the gate lets so small a model pass is not the question.
        pipeline.Models.Activate(trained.Version);
        Assert.Equal("genrec-seq2seq", (await ProbeAsync(shop, lists, "after-genrec")).Model!.Family);

        pipeline.Models.Activate(await TrainRecGptAsync(pipeline, directory, cancellationToken));
        Assert.Equal("recgpt", (await ProbeAsync(shop, lists, "after-recgpt")).Model!.Family);

        pipeline.Models.Activate(trained.Version);
        var back = await ProbeAsync(shop, lists, "after-genrec-again");
        Assert.Equal("genrec-seq2seq", back.Model!.Family);
        Assert.All(back.Items, item => Assert.Equal("genrec-seq2seq", item.Source));

        await shop.StopAsync();
        await lists.AllAsync(shop.Sent);
        Assert.All(shop.Sent, user => Assert.Equal(user.Value, lists.Newest(user.Key)!.Sequence));
        Assert.Empty(lists.Faults);
        Assert.Equal(["genrec-seq2seq", "none", "recgpt"], families.Keys.Order());
        Assert.False(pipeline.Failed.IsCompleted);
    }

    private static async Task<ModelVersion> TrainRecGptAsync(ServerPipeline pipeline, TempDirectory directory, CancellationToken cancellationToken)
    {
        var recipe = ServerPipeline.ReadRecipe(Recipe.Write(directory["recgpt.json"]));
        var family = ServerPipeline.FamilyOf(recipe, new TrainingOptions());
        var histories = await Histories.ReadAsync(pipeline.Journal, null, cancellationToken);
        var fit = new OfflineFit(family, recipe, new ModelContext(pipeline.Journal.Catalogue, NoEvidence.Instance), seed: 1, TimeProvider.System)
        {
            Override = new StageOverride(Epochs: 2, Patience: null, BatchSize: null),
        };
        return await Task.Run(
            () => new OfflineTraining(pipeline.Models, family, 1, "test", TimeProvider.System).Run(fit, histories, position: 0, cancellationToken), cancellationToken);
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

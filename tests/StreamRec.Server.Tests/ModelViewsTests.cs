using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Server.Http;

namespace StreamRec.Server.Tests;

public sealed class ModelViewsTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("streamrec-models-").FullName;

    private ModelRegistry Registry => new(_root, NullLogger<ModelRegistry>.Instance);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void No_models_are_an_empty_list() => Assert.Empty(ModelViews.List(Registry, null));

    [Fact]
    public void Aliases_and_what_serves_stand_with_their_versions()
    {
        var (first, second, third) = (Publish(), Publish(parent: 1), Publish(parent: 2));
        Registry.WriteAliases(new ModelAliases(second.ToString(), first.ToString()));

        var views = ModelViews.List(Registry, third);

        Assert.Equal(
            [("recgpt@1", "previous", false, null), ("recgpt@2", "champion", false, 1), ("recgpt@3", null, true, (int?)2)],
            views.Select(v => (v.Version, v.Alias, v.Serves, v.Parent)));
        Assert.All(views, v => Assert.Equal(0.25, v.Metrics["ndcg@10"]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1, 2]")]
    [InlineData("\0\0\0\0")]
    public void A_damaged_manifest_does_not_hide_the_others(string manifest)
    {
        var (_, second) = (Publish(), Publish());
        Registry.WriteAliases(new ModelAliases(second.ToString(), null));
        File.WriteAllText(Path.Combine(_root, "recgpt", "1", "manifest.json"), manifest);

        var views = ModelViews.List(Registry, second);

        Assert.Equal(["recgpt@1", "recgpt@2"], views.Select(v => v.Version));
        Assert.Empty(views[0].Metrics);
        Assert.Equal(("champion", true), (views[1].Alias, views[1].Serves));
    }

    [Fact]
    public void A_manifest_of_another_version_counts_as_damaged()
    {
        Publish();
        Publish();
        File.Copy(
            Path.Combine(_root, "recgpt", "2", "manifest.json"), Path.Combine(_root, "recgpt", "1", "manifest.json"), overwrite: true);

        Assert.Empty(ModelViews.List(Registry, null)[0].Metrics);
    }

    private ModelVersion Publish(int? parent = null)
    {
        var draft = new CheckpointManifest
        {
            Format = CheckpointManifest.CurrentFormat,
            Family = "recgpt",
            Version = 0,
            Parent = parent,
            Created = DateTimeOffset.UnixEpoch,
            CodeVersion = "test",
            Seed = 1,
            Config = JsonSerializer.SerializeToElement(new { }),
            TrainedAfter = 0,
            TrainedUpTo = 1,
            Files = new Dictionary<string, string>(),
            Golden = [],
            Metrics = new Dictionary<string, double> { ["ndcg@10"] = 0.25 },
        };
        return Registry.Publish("recgpt", draft, _ => new CheckpointContent(draft.Config, [], []));
    }
}

using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;

namespace StreamRec.Inference.Tests;

public sealed class ModelControlTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("streamrec-models-").FullName;
    private readonly FakeFamily _family = new();
    private readonly ModelRegistry _registry;
    private readonly ModelControl _control;

    public ModelControlTests()
    {
        _registry = new ModelRegistry(_root, NullLogger<ModelRegistry>.Instance);
        _control = NewControl();
    }

    public void Dispose()
    {
        _control.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public void Versions_ascend_and_are_listed_with_their_manifest()
    {
        Assert.Equal(["fake@1", "fake@2"], new[] { Publish(), Publish() }.Select(v => v.ToString()));
        Assert.Equal(["fake@1", "fake@2"], _registry.List().Select(v => v.ToString()));
        Assert.Equal(2, _registry.ReadManifest(new ModelVersion("fake", 2)).Version);
    }

    [Fact]
    public void Activation_swaps_the_model_moves_the_aliases_and_keeps_the_former_one_warm()
    {
        _control.Activate(Publish());
        _control.Activate(Publish());

        Assert.Equal(2, _control.Serving!.Version);
        Assert.Equal(new ModelAliases("fake@2", "fake@1"), _registry.ReadAliases());
        Assert.False(_family.Loaded[0].Disposed);
    }

    [Fact]
    public void A_rollback_returns_to_the_former_model_without_loading_it_again()
    {
        _control.Activate(Publish());
        _control.Activate(Publish());

        Assert.Equal(1, _control.Rollback().Version);

        Assert.Equal(1, _control.Serving!.Version);
        Assert.Equal(2, _family.Loaded.Count);
        Assert.Equal(new ModelAliases("fake@1", "fake@2"), _registry.ReadAliases());
        Assert.Equal(2, _control.Rollback().Version);
    }

    [Fact]
    public void A_rollback_without_a_former_model_is_refused()
    {
        _control.Activate(Publish());
        Assert.Contains("no previous version", Assert.Throws<CheckpointRejectedException>(() => _control.Rollback()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_is_freed_by_its_last_lease()
    {
        _control.Activate(Publish());
        var lease = _control.Acquire()!;
        _control.Activate(Publish());
        _control.Activate(Publish());

        Assert.False(_family.Loaded[0].Disposed);
        lease.Dispose();
        Assert.True(_family.Loaded[0].Disposed);
        Assert.False(_family.Loaded[1].Disposed);
    }

    [Theory]
    [InlineData("flipped byte", "weights.txt was altered")]
    [InlineData("missing file", "weights.txt is missing")]
    [InlineData("link", "weights.txt is a link")]
    [InlineData("family's own check", "NaN in layer 3")]
    [InlineData("no manifest", "does not exist")]
    [InlineData("broken manifest", "is not a manifest")]
    [InlineData("traversal", "not a plain file name")]
    [InlineData("linked folder", "words is a link")]
    [InlineData("file in a folder", "words/list.txt was altered")]
    [InlineData("file two folders deep", "not a plain file name")]
    public void A_checkpoint_that_fails_a_check_is_refused_and_the_live_model_stays(string fault, string reason)
    {
        _control.Activate(Publish());
        var bad = Publish(fault == "family's own check" ? "NaN in layer 3" : "ok");
        var directory = Path.Combine(_root, "fake", "2");
        var weights = Path.Combine(directory, "weights.txt");
        var manifest = Path.Combine(directory, "manifest.json");
        switch (fault)
        {
            case "flipped byte":
                File.WriteAllText(weights, "oj");
                break;
            case "missing file":
                File.Delete(weights);
                break;
            case "link":
                File.Move(weights, weights + ".real");
                File.CreateSymbolicLink(weights, weights + ".real");
                break;
            case "no manifest":
                File.Delete(manifest);
                break;
            case "broken manifest":
                File.WriteAllText(manifest, "{");
                break;
            case "linked folder":
                Directory.Move(Path.Combine(directory, "words"), directory + ".real");
                Directory.CreateSymbolicLink(Path.Combine(directory, "words"), directory + ".real");
                break;
            case "file in a folder":
                File.AppendAllText(Path.Combine(directory, "words", "list.txt"), "more");
                break;
            case "file two folders deep":
                File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("words/list.txt", "words/words/list.txt", StringComparison.Ordinal));
                break;
            case "traversal":
                File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("weights.txt", "../1/weights.txt", StringComparison.Ordinal));
                break;
        }

        var refused = Assert.Throws<CheckpointRejectedException>(() => _control.Activate(bad));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.Equal(1, _control.Serving!.Version);
        Assert.Equal("fake@1", _registry.ReadAliases().Champion);
    }

    [Theory]
    [InlineData("../fake@1")]
    [InlineData("fake@0")]
    [InlineData("fake@01")]
    [InlineData("fake")]
    [InlineData("/etc@1")]
    [InlineData("fake@1\n")]
    [InlineData("Fake@1")]
    public void A_version_is_named_by_id_only(string name) =>
        Assert.Throws<ArgumentException>(() => ModelRegistry.Parse(name));

    [Fact]
    public void A_restart_serves_the_champion_again()
    {
        _control.Activate(Publish());
        using var restarted = NewControl();

        Assert.Null(restarted.Restore());
        Assert.Equal("fake@1", restarted.Serving!.ToString());
    }

    [Fact]
    public void A_restart_with_a_damaged_champion_serves_the_previous_one_and_says_so()
    {
        _control.Activate(Publish());
        _control.Activate(Publish());
        File.WriteAllText(Path.Combine(_root, "fake", "2", "weights.txt"), "damaged");
        using var restarted = NewControl();

        Assert.Contains("altered", restarted.Restore()!.Message, StringComparison.Ordinal);
        Assert.Equal("fake@1", restarted.Serving!.ToString());
    }

    [Fact]
    public void What_a_killed_publisher_left_behind_is_no_version_and_is_removed_after_an_hour()
    {
        Publish();
        var abandoned = Path.Combine(_root, "fake", ".tmp-killed");
        Directory.CreateDirectory(abandoned);
        var written = Directory.GetLastWriteTimeUtc(abandoned);

        Assert.Single(_registry.List());
        _registry.RemoveAbandoned(written + TimeSpan.FromMinutes(59));
        Assert.True(Directory.Exists(abandoned));
        _registry.RemoveAbandoned(written + TimeSpan.FromMinutes(61));
        Assert.False(Directory.Exists(abandoned));
    }

    [Fact]
    public void A_failing_writer_publishes_nothing()
    {
        Assert.Throws<IOException>(() => _registry.Publish("fake", FakeFamily.Draft(), _ => throw new IOException("disk full")));
        Assert.Empty(_registry.List());
        Assert.Empty(Directory.GetDirectories(Path.Combine(_root, "fake")));
    }

    [Fact]
    public void Publishers_at_the_same_time_get_versions_of_their_own()
    {
        var versions = Enumerable.Range(0, 16).AsParallel().WithDegreeOfParallelism(8).Select(_ => Publish().Version).ToList();
        Assert.Equal(Enumerable.Range(1, 16), versions.Order());
    }

    [Fact]
    public void Pruning_keeps_the_newest_and_what_an_alias_points_at()
    {
        for (var i = 0; i < 6; i++)
        {
            Publish();
        }

        _control.Activate(new ModelVersion("fake", 2));
        _control.Activate(new ModelVersion("fake", 1));
        _registry.Prune("fake", keep: 2);

        Assert.Equal([1, 2, 5, 6], _registry.List().Select(v => v.Version));
    }

    private ModelControl NewControl() => new(_registry, [_family], new ModelContext(new Catalogue(), NoEvidence.Instance), NullLogger<ModelControl>.Instance);

    private ModelVersion Publish(string content = "ok") =>
        _registry.Publish("fake", FakeFamily.Draft(), directory => FakeFamily.Write(directory, content));
}

using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>Golden outputs of reference implementations, where they are at hand: <c>STREAMREC_FIXTURES</c>, or <c>shared/fixtures</c> above the project.</summary>
internal static class Fixtures
{
    /// <summary>The fixture's directory; the calling test is skipped when it is absent.</summary>
    public static string Find(string name)
    {
        var root = Environment.GetEnvironmentVariable("STREAMREC_FIXTURES");
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); root is null && directory is not null; directory = directory.Parent)
        {
            var candidate = Path.Combine(directory.FullName, "shared", "fixtures");
            root = Directory.Exists(candidate) ? candidate : null;
        }

        var path = root is null ? null : Path.Combine(root, name);
        Assert.SkipUnless(
            Directory.Exists(path), $"The fixture {name} is not here: set STREAMREC_FIXTURES to the directory of golden outputs.");
        return path!;
    }

    public static float MaxDifference(Tensor actual, Tensor expected)
    {
        using var scope = TensorScope.Enter();
        return (actual - expected).Abs().Max().Item<float>();
    }
}

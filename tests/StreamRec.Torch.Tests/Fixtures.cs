namespace StreamRec.Torch.Tests;

/// <summary>Files that are too large for the repository: STREAMREC_FIXTURES, or <c>shared/fixtures</c> in a folder above the tests.</summary>
internal static class Fixtures
{
    /// <summary>The file's path; skips the test, with the reason, where there is none.</summary>
    public static string Find(params string[] path)
    {
        var relative = Path.Combine(path);
        var root = Environment.GetEnvironmentVariable("STREAMREC_FIXTURES");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); root is null && folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "shared", "fixtures");
            root = Directory.Exists(candidate) ? candidate : null;
        }

        Assert.SkipWhen(root is null, "There is no shared/fixtures above the tests and STREAMREC_FIXTURES is not set.");
        var file = Path.Combine(root!, relative);
        Assert.SkipUnless(File.Exists(file), $"The fixture {relative} is not there.");
        return file;
    }
}

namespace StreamRec.Server.Tests;

/// <summary>Files of the repository that tests read where they stand.</summary>
internal static class Repository
{
    /// <summary>The path of a file below <c>config</c>.</summary>
    public static string Config(params string[] names)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "StreamRec.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine([folder?.FullName ?? throw new DirectoryNotFoundException("The repository is not above the tests."), "config", .. names]);
    }
}

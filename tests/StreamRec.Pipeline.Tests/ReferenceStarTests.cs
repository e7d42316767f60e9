using System.Xml.Linq;

namespace StreamRec.Pipeline.Tests;

/// <summary>Which project may know which: everything knows the contracts, nothing knows its neighbour, the server wires it all.</summary>
public sealed class ReferenceStarTests
{
    private static readonly string[] Core = ["StreamRec.Domain", "StreamRec.Actors", "StreamRec.Torch"];

    [Fact]
    public void Projects_reference_only_the_core_and_the_server_wires_them()
    {
        var references = Projects("src").ToDictionary(project => NameOf(project), ReferencesOf);
        Assert.All([.. Core, "StreamRec.Server", "StreamRec.Cli"], known => Assert.Contains(known, references.Keys));
        foreach (var (project, referenced) in references)
        {
            var allowed = project switch
            {
                _ when Core.Contains(project) => [],
                "StreamRec.Server" => references.Keys.Where(other => other is not ("StreamRec.Cli" or "StreamRec.Server")),
                "StreamRec.Cli" => ["StreamRec.Domain", "StreamRec.Server"],
                _ => Core,
            };
            Assert.True(
                referenced.All(other => allowed.Contains(other)),
                $"{project} references {string.Join(", ", referenced)}; allowed are {string.Join(", ", allowed)}.");
        }
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        var solution = File.ReadAllText(Path.Combine(Root(), "StreamRec.sln")).Replace('\\', '/');
        foreach (var project in Projects("src").Concat(Projects("tests")))
        {
            Assert.Contains($"\"{Path.GetRelativePath(Root(), project).Replace('\\', '/')}\"", solution, StringComparison.Ordinal);
        }
    }

    private static string[] Projects(string folder) =>
        [.. Directory.EnumerateDirectories(Path.Combine(Root(), folder)).SelectMany(directory => Directory.EnumerateFiles(directory, "*.csproj"))];

    private static string[] ReferencesOf(string project) =>
        [.. XDocument.Load(project).Descendants("ProjectReference").Select(reference => NameOf(reference.Attribute("Include")!.Value.Replace('\\', '/')))];

    private static string NameOf(string project) => Path.GetFileNameWithoutExtension(project);

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "StreamRec.sln")))
        {
            directory = directory.Parent ?? throw new DirectoryNotFoundException($"No directory above {AppContext.BaseDirectory} has StreamRec.sln.");
        }

        return directory.FullName;
    }
}

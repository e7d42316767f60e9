using System.Globalization;
using System.IO.Compression;
using StreamRec.Domain;

namespace StreamRec.Models.Tests;

/// <summary>Public data sets, where they are at hand: <c>STREAMREC_DATA</c>, or <c>shared/data</c> above the project.</summary>
internal static class ResearchData
{
    /// <summary>One history a line: user, then items in order. The calling test is skipped when the file is absent.</summary>
    public static UserHistory[] Read(string name)
    {
        var root = Environment.GetEnvironmentVariable("STREAMREC_DATA");
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); root is null && directory is not null; directory = directory.Parent)
        {
            var candidate = Path.Combine(directory.FullName, "shared", "data");
            root = Directory.Exists(candidate) ? candidate : null;
        }

        var path = root is null ? null : Path.Combine(root, $"{name}.txt.gz");
        Assert.SkipUnless(File.Exists(path), $"The data set {name} is not here: set STREAMREC_DATA to the directory of data sets.");
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path!), CompressionMode.Decompress));
        var histories = new List<UserHistory>();
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            histories.Add(new UserHistory(fields[0], [.. fields.Skip(1).Select(field => int.Parse(field, CultureInfo.InvariantCulture) - 1)]));
        }

        return [.. histories];
    }
}

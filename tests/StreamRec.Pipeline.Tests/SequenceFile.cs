using System.IO.Compression;

namespace StreamRec.Pipeline.Tests;

/// <summary>Files of one line for each user: the user's id, then the items in order.</summary>
internal static class SequenceFile
{
    /// <summary>Each user's items, read without the program's own reader.</summary>
    public static Dictionary<string, string[]> Read(string path)
    {
        using var file = File.OpenRead(path);
        using var reader = new StreamReader(path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file);
        var users = new Dictionary<string, string[]>(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            users.Add(fields[0], fields[1..]);
        }

        return users;
    }

    /// <summary>Writes a file of many short and a few very long histories; some users come back to an item.</summary>
    public static void Generate(string path, int users, int veryLong, int seed)
    {
        var random = new Random(seed);
        using var writer = new StreamWriter(path);
        for (var user = 0; user < users; user++)
        {
            // Below the 1,024 entries that a sequence retains, so that what a user has had is known whole.
            var length = user < veryLong ? random.Next(600, 1000) : 1 + random.Next(15);
            writer.Write($"user-{user}");
            for (var i = 0; i < length; i++)
            {
                writer.Write($" item-{(int)(3000 * Math.Pow(random.NextDouble(), 2))}");
            }

            writer.WriteLine();
        }
    }

    /// <summary>A data set from <c>STREAMREC_DATA</c> or from <c>shared/data</c> beside one of the directories above; null when there is none.</summary>
    public static string? Find(string name)
    {
        var places = new List<string>();
        if (Environment.GetEnvironmentVariable("STREAMREC_DATA") is { Length: > 0 } named)
        {
            places.Add(named);
        }

        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            places.Add(Path.Combine(directory.FullName, "shared", "data"));
        }

        return places.Select(place => Path.Combine(place, name)).FirstOrDefault(File.Exists);
    }
}

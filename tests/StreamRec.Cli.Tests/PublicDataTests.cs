using StreamRec.Cli.Files;
using StreamRec.Domain;

namespace StreamRec.Cli.Tests;

/// <summary>The public files that results are reported on, read whole; skipped where they are not.</summary>
public sealed class PublicDataTests
{
    [Fact]
    public void Amazon_Beauty_has_the_interactions_and_users_that_the_papers_name()
    {
        var read = InteractionFile.Read(Find("Beauty.txt.gz"));

        Assert.Equal(198_502, read.Count);
        Assert.Equal(22_363, read.Select(i => i.UserId).Distinct().Count());
        Assert.Equal(12_101, read.Select(i => i.ItemId).Distinct().Count());
        // Everybody's first item comes before anybody's second.
        Assert.Equal(22_363, read.Take(22_363).Select(i => i.UserId).Distinct().Count());
    }

    [Fact]
    public void MovieLens_100k_has_its_hundred_thousand_ratings_in_order_of_time()
    {
        var read = InteractionFile.Read(Find("ml-100k.inter.gz"));

        Assert.Equal(100_000, read.Count);
        Assert.Equal(943, read.Select(i => i.UserId).Distinct().Count());
        Assert.Equal(1_682, read.Select(i => i.ItemId).Distinct().Count());
        Assert.All(read, i => Assert.Equal(InteractionType.Rating, i.Type));
        Assert.All(read, i => Assert.InRange(i.Value, 1, 5));
        Assert.Equal(read.Select(i => i.TimestampMs).Order(), read.Select(i => i.TimestampMs));
        Assert.Equal(new DateTime(1997, 9, 20), DateTimeOffset.FromUnixTimeMilliseconds(read[0].TimestampMs).UtcDateTime.Date);
    }

    private static string Find(string name)
    {
        var folders = new List<string>();
        if (Environment.GetEnvironmentVariable("STREAMREC_DATA") is { Length: > 0 } given)
        {
            folders.Add(given);
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            folders.Add(Path.Combine(folder.FullName, "shared", "data"));
        }

        var path = folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{name} is not here; set STREAMREC_DATA to the folder that has it.");
        return path!;
    }
}

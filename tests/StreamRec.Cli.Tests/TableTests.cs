using System.Text.Json;
using StreamRec.Cli.Commands;
using StreamRec.Training.Evaluation;
using StreamRec.Training.Experiments;

namespace StreamRec.Cli.Tests;

public sealed class TableTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_published_table_has_every_row_of_every_data_set()
    {
        var table = ResultTable.Read(Config("tables", "recgpt.json"));

        Assert.Equal(["Table 2", "Table 3"], table.Parts.Select(part => part.Name));
        Assert.All(table.Parts, part => Assert.Equal(["Beauty", "Sports", "Toys", "Yelp"], part.Sets.Select(set => set.Name)));
        Assert.All(table.Parts.SelectMany(part => part.Sets), set => Assert.Equal(4, set.Rows.Count));
        var beauty = table.Parts[0].Sets[0].Rows[3];
        Assert.Equal((0.0654, 0.0357), (beauty.Published["hr@10"], beauty.Published["ndcg@10"]));
        Assert.Equal(0.0440, beauty.Published["hr@5"]);
        Assert.All(table.Parts[0].Sets.SelectMany(set => set.Rows), row => Assert.Equal(row.Published["hr@10"], row.Goal["hr@10"]));
    }

    [Fact]
    public void Published_rows_obey_what_arithmetic_says_of_ndcg_and_hit_rate()
    {
        // Each user found between places 6 and 10 adds 1 / log2(11) to 1 / log2(7); figures are rounded to four digits.
        var rows = ResultTable.Read(Config("tables", "recgpt.json")).Parts[0].Sets.SelectMany(set => set.Rows).Select(row => row.Published);

        Assert.All(rows, row => Assert.InRange(
            row["ndcg@10"] - row["ndcg@5"], (0.289 * (row["hr@10"] - row["hr@5"])) - 0.0002, (0.356 * (row["hr@10"] - row["hr@5"])) + 0.0002));
    }

    [Fact]
    public void Rows_of_one_recipe_share_their_training()
    {
        var table = ResultTable.Read(Config("tables", "recgpt.json"));

        Assert.All(
            Enumerable.Range(0, 4),
            set => Assert.Equal(2, table.Parts.SelectMany(part => part.Sets[set].Rows).Select(row => JsonSerializer.Serialize(row.Set)).Distinct().Count()));
    }

    [Fact]
    public void The_table_of_best_recipes_has_a_goal_for_each_data_set()
    {
        var table = ResultTable.Read(Config("tables", "best.json"));

        Assert.All(table.Parts.SelectMany(part => part.Sets), set => Assert.Contains(set.Rows, row => row.Goal.ContainsKey("ndcg@10")));
        Assert.All(table.Parts.SelectMany(part => part.Sets), set => Assert.Equal(set.Name == "Yelp", set.Rows.Any(row => !row.Masked)));
        Assert.All(table.Parts.SelectMany(part => part.Sets), set => Assert.Single(set.Rows.Where(row => row.Family == "recgpt").Select(row => row.Recipe).Distinct()));
    }

    [Theory]
    [InlineData("{}", "figures")]
    [InlineData("""{"title":"t","figures":["map@3"],"parts":[{"name":"p","sets":[{"name":"s","file":"f","rows":[{"name":"r","recipe":"x"}]}]}]}""", "'map@3'")]
    [InlineData("""{"title":"t","figures":[],"parts":[],"colour":1}""", "colour")]
    public void A_file_that_is_no_table_is_refused_with_what_is_wrong(string content, string complaint)
    {
        var path = Path.Combine(_directory.Path, "table.json");
        File.WriteAllText(path, content);

        Assert.Contains(complaint, Assert.Throws<InvalidDataException>(() => ResultTable.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_data_set_is_named_with_the_folders_that_were_looked_in()
    {
        var exception = Assert.Throws<FileNotFoundException>(() => TableEvaluation.FindData("Beauty.txt.gz", [_directory.Path]));

        Assert.Contains("Beauty.txt.gz", exception.Message, StringComparison.Ordinal);
        Assert.Contains(_directory.Path, exception.Message, StringComparison.Ordinal);
        Assert.Contains("STREAMREC_DATA", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_result_file_is_asked_for_one_of_its_variants()
    {
        var path = Write();

        Assert.Equal([3], CompareCommand.ReadVariant(path).Variant.Ranks);
        Assert.Equal([1], CompareCommand.ReadVariant($"{path}#one").Variant.Ranks);
        Assert.Equal([2], CompareCommand.ReadVariant($"{path}#unmasked#two").Variant.Ranks);
        Assert.Equal([9], CompareCommand.ReadVariant($"{path}#stage1#one").Variant.Ranks);
        Assert.Throws<ArgumentException>(() => CompareCommand.ReadVariant($"{path}#three"));
        Assert.Throws<InvalidDataException>(() => CompareCommand.ReadVariant($"{path}#stage7"));
    }

    [Fact]
    public void The_verdict_names_the_better_model_or_says_that_there_is_none()
    {
        var figure = new FigureComparison(RankingFigure.Ndcg10, 0.1, 0.2, default, 0.01, 0.02);

        Assert.Equal("b is better in NDCG@10.", CompareCommand.Verdict("a", "b", figure));
        Assert.Equal("a is better in NDCG@10.", CompareCommand.Verdict("a", "b", figure with { A = 0.3 }));
        Assert.Equal("No difference can be shown in NDCG@10.", CompareCommand.Verdict("a", "b", figure with { AdjustedP = 0.05 }));
    }

    private static string Config(params string[] path)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "StreamRec.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine([folder!.FullName, "config", .. path]);
    }

    private string Write()
    {
        var path = Path.Combine(_directory.Path, "result.json");
        File.WriteAllText(path, JsonSerializer.Serialize(
            new ExperimentResult
            {
                Data = "d",
                DataHash = "",
                Family = "f",
                Recipe = "r",
                RecipeHash = "",
                Protocol = Protocol.Strict,
                Seed = 1,
                Seconds = 1,
                Machine = "",
                CodeVersion = "",
                Date = DateTimeOffset.UnixEpoch,
                Calibrated = JsonSerializer.SerializeToElement(1),
                Epochs = [4, 2],
                Curve = [new CurvePoint("one", 1, 2, null, 3)],
                Cases = new Breakdown([0], [1]),
                Variants = [Variant(1, 0, true, 9), Variant(2, 0, true, 1), Variant(2, 2, false, 2), Variant(2, 2, true, 3)],
            },
            ExperimentResult.Json));
        return path;

        static ResultVariant Variant(int stage, int second, bool masked, byte rank) => new()
        {
            Stage = stage,
            SecondStep = second,
            Chosen = second == 2,
            Masked = masked,
            Metrics = new Dictionary<string, double>(),
            Ranks = [rank],
        };
    }
}

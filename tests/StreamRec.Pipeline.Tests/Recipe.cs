namespace StreamRec.Pipeline.Tests;

/// <summary>The one small model of these tests, and a shop that it learns in seconds.</summary>
internal static class Recipe
{
    private const string Json = """
        {
          "model": { "hidden": 32, "layers": 1, "heads": 2, "feedForward": 64, "maxLength": 20, "dropout": 0.1 },
          "stages": [{ "learningRate": 0.005 }]
        }
        """;

    public static readonly Cli.Simulation.ShopOptions Shop = new() { Users = 300, Items = 200, Categories = 10, Seed = 3 };

    public static string Write(string path)
    {
        File.WriteAllText(path, Json);
        return path;
    }
}

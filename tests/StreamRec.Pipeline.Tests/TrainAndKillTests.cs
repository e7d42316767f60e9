namespace StreamRec.Pipeline.Tests;

public sealed class TrainAndKillTests
{
    [Fact]
    public async Task A_training_that_was_killed_goes_on_and_ends_with_the_weights_of_one_that_was_not()
    {
        using var directory = new TempDirectory();
        SequenceFile.Generate(directory["sequences.txt"], users: 1500, veryLong: 0, seed: 4);
        Recipe.Write(directory["recipe.json"]);
        await RunAsync("import", directory["sequences.txt"], "--data", directory["killed"]);
        await RunAsync("import", directory["sequences.txt"], "--data", directory["whole"]);
        string[] train = ["train", "--recipe", directory["recipe.json"], "--epochs", "25", "--patience", "0", "--data"];

        await using (var killed = StreamRecProcess.Start([.. train, directory["killed"]]))
        {
            await Eventually.TrueAsync(() => States(directory["killed"]).Length == 1, "a saved pass", killed.Describe);
            killed.Kill();
            await killed.ExitAsync();
        }

        var resumed = await RunAsync([.. train, directory["killed"]]);
        await RunAsync([.. train, directory["whole"]]);

        Assert.Contains("Going on with", resumed.Errors, StringComparison.Ordinal);
        Assert.Equal(await WeightsAsync(directory["whole"]), await WeightsAsync(directory["killed"]));
        Assert.Empty(States(directory["killed"]));
    }

    private static string[] States(string data) =>
        Path.Combine(data, "training") is var training && Directory.Exists(training)
            ? Directory.GetFiles(training, "fit.json", SearchOption.AllDirectories)
            : [];

    private static async Task<CommandResult> RunAsync(params string[] arguments)
    {
        var result = await StreamRecProcess.RunAsync(arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}\n{result.Output}\n{result.Errors}");
        return result;
    }

    private static Task<byte[]> WeightsAsync(string data) =>
        File.ReadAllBytesAsync(Path.Combine(data, "models", "recgpt", "1", "model.safetensors"), TestContext.Current.CancellationToken);
}

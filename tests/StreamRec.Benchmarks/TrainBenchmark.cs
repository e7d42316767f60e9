using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using StreamRec.Cli.Bench;
using StreamRec.Domain;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;
using StreamRec.Training;
using StreamRec.Training.Evaluation;

namespace StreamRec.Benchmarks;

/// <summary>
/// Real (unpadded) tokens trained in a second on Amazon Beauty, d = 64, two blocks, L = 50, batches of 256, strict protocol; and validation
/// NDCG@10 after as many passes. Anchor: the same size of model in eager PyTorch, a script beside the repository. Each measurement is a process
/// of its own, pinned to one and the same core.
/// </summary>
internal static class TrainBenchmark
{
    private const int BatchSize = 256;

    private static readonly string Shared = Path.Combine(Repository(), "..", "shared");

    private static string Data => Path.Combine(Shared, "data", "Beauty.txt.gz");

    private static string Peer => Path.Combine(Shared, "peers", "sasrec_torch.py");

    /// <param name="rounds">Runs of each side and loss, interleaved A B B A.</param>
    /// <param name="epochs">Passes of a run.</param>
    public static async Task RunAsync(int rounds, int epochs)
    {
        if (await MissingAsync() is { } missing)
        {
            Console.WriteLine($"train: skipped, {missing}.");
            return;
        }

        Console.WriteLine(Machine.Now());
        foreach (var loss in new[] { "bce", "ce" })
        {
            var (ours, peer) = (new List<Pass[]>(), new List<Pass[]>());
            for (var round = 0; round < rounds; round++)
            {
                foreach (var us in round % 2 == 0 ? new[] { true, false } : [false, true])
                {
                    (us ? ours : peer).Add(Passes(await (us
                        ? Pinned.OursAsync("train-ours", loss, $"{epochs}", $"{round + 1}")
                        : Pinned.PythonAsync(
                            null, Peer, "train", "--data", Data, "--loss", loss, "--epochs", $"{epochs}", "--batch", $"{BatchSize}",
                            "--threads", "1", "--seed", $"{round + 1}"))));
                }
            }

            Print($"train {loss}, ours", ours);
            Print($"train {loss}, eager PyTorch", peer);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"",-34} ratio {Median(Rates(ours)) / Median(Rates(peer)),8:F1}"));
        }
    }

    /// <summary>One run of ours, a JSON line a pass, as the script writes them.</summary>
    public static void RunOurs(string loss, int epochs, int seed)
    {
        TorchRuntime.SetThreads(1);
        var catalogue = new Catalogue();
        var users = new List<UserHistory>();
        foreach (var line in Lines(Data))
        {
            var ids = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (ids.Length >= 6)
            {
                users.Add(new UserHistory(ids[0], [.. ids[1..].Select(catalogue.Add)]));
            }
        }

        var split = new Histories(users, []).SplitLast(heldOut: 2, target: 2);
        var recipe = JsonSerializer.SerializeToElement(new { stages = new[] { new { loss = loss == "ce" ? "full-softmax" : "binary-cross-entropy" } } });
        var vocabulary = new TrainingVocabulary([.. Enumerable.Range(0, catalogue.Count)], [.. split.Train.Select(user => user.UserId)]);
        using var model = new RecGptFamily().Create(recipe, vocabulary, null, new ModelContext(catalogue, NoEvidence.Instance), seed);
        var tokens = split.Train.Sum(user => Math.Min(user.Items.Length, 51) - 1);
        var random = new Random(seed);
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            var started = Stopwatch.GetTimestamp();
            var order = split.Train.ToArray();
            random.Shuffle(order);
            foreach (var batch in order.Chunk(BatchSize))
            {
                model.TrainStep(batch);
            }

            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            var ndcg = Evaluator.Evaluate(model, split.Test, null, CancellationToken.None).Ndcg(10);
            Console.WriteLine(JsonSerializer.Serialize(new Pass(tokens / seconds, ndcg)));
        }
    }

    private static async Task<string?> MissingAsync() => !File.Exists(Data) || !File.Exists(Peer)
        ? $"{(File.Exists(Data) ? Peer : Data)} is missing"
        : await Pinned.MissingAsync();

    private static Pass[] Passes(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<Pass>(line)!)];

    private static void Print(string name, List<Pass[]> runs)
    {
        var rates = Rates(runs);
        var quality = runs.Select(run => run[^1].Ndcg).ToArray();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-34} {Median(rates),10:N0} tokens/s  ({rates.Min():N0} to {rates.Max():N0})   NDCG@10 {Median(quality):F4} ({quality.Min():F4} to {quality.Max():F4}) after {runs[0].Length} passes   {runs.Count} rounds"));
    }

    // The first pass of a process also warms it up.
    private static double[] Rates(List<Pass[]> runs) => [.. runs.SelectMany(run => run.Length > 1 ? run[1..] : run).Select(pass => pass.TokensPerSecond)];

    private static double Median(IEnumerable<double> values)
    {
        var ordered = values.Order().ToArray();
        return ordered[ordered.Length / 2];
    }

    private static IEnumerable<string> Lines(string path)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    private static string Repository()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "StreamRec.sln")))
        {
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("The benchmark runs inside the repository.");
        }

        return directory;
    }

    private sealed record Pass(
        [property: System.Text.Json.Serialization.JsonPropertyName("tokens_per_s")] double TokensPerSecond,
        [property: System.Text.Json.Serialization.JsonPropertyName("valid_ndcg10")] double Ndcg);
}

using System.Globalization;
using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using StreamRec.Cli.Bench;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Torch;

namespace StreamRec.Benchmarks;

/// <summary>
/// BART beside eager PyTorch with the same weights and the same batches: real (unpadded) tokens trained and lists of 20 decoded in a second.
/// Two and two layers, d = 256, 4 heads, feed-forward 1024; histories of 8 items in the mean with a long tail up to 50, as Amazon Beauty's;
/// two tokens an item and a user, 12,000 items. Each measurement is a process of its own on one and the same core, and counts only if
/// both sides agree: on the losses of the first steps, and on the lists.
/// </summary>
/// <remarks>
/// The script gets the matrix kernels that PyTorch has where nobody chose for it, as ours chooses its own (<see cref="TorchRuntime"/>); a
/// third contestant is the script with our kernels, which leaves what ours does otherwise.
/// </remarks>
internal static class GenRecBenchmark
{
    private const int Items = 12_000;
    private const int Vocabulary = 2_000;
    private const int Beams = 20;
    private const int Compared = 3;
    private const double LeastRatio = 2;

    // Of the vocabulary: special tokens, hundreds and ones of users, hundreds and ones of items.
    private const int UserHundreds = 4;
    private const int UserOnes = 304;
    private const int ItemHundreds = 404;
    private const int ItemOnes = 524;

    private static string Script => Path.Combine(AppContext.BaseDirectory, "peers", "bart_torch.py");

    /// <param name="rounds">Runs of each contestant and job, interleaved A B B A.</param>
    public static async Task RunAsync(int rounds)
    {
        if (await Pinned.MissingAsync() is { } missing)
        {
            Console.WriteLine($"genrec: skipped, {missing}.");
            return;
        }

        Console.WriteLine($"./build.sh bench genrec {rounds}");
        Console.WriteLine(Machine.Now());
        using var scratch = new ScratchDirectory();
        // Weights as training begins with them; and larger ones, whose lists do not hang on the last digit.
        WriteModel(scratch["train"], deviation: 0.02);
        WriteModel(scratch["decode"], deviation: 0.1);
        WriteWork(scratch["train.json"], Training(new Random(1)));
        WriteWork(scratch["decode.json"], Decoding(new Random(2)));

        await CompareAsync<TrainResult>("train", "tokens/s", scratch, rounds, result => result.Rate, CheckLosses);
        await CompareAsync<DecodeResult>("decode", "lists/s", scratch, rounds, result => result.Rate, CheckLists);
    }

    private static async Task CompareAsync<T>(
        string job, string unit, ScratchDirectory scratch, int rounds, Func<T, double> rateOf, Action<T, T> check)
    {
        var (model, work) = (scratch[job], scratch[$"{job}.json"]);
        (string Name, Func<Task<string>> Run, List<double> Rates)[] contestants =
        [
            ("ours", () => Pinned.OursAsync($"genrec-{job}", model, work), []),
            ("eager PyTorch", () => Pinned.PythonAsync(null, Script, job, model, work), []),
            ("eager PyTorch, our kernels", () => Pinned.PythonAsync(Avx512F.IsSupported ? "SkylakeX" : null, Script, job, model, work), []),
        ];
        T? first = default;
        for (var round = 0; round < rounds; round++)
        {
            foreach (var (_, run, rates) in round % 2 == 0 ? contestants : contestants.Reverse())
            {
                var result = JsonSerializer.Deserialize<T>(await run(), JsonSerializerOptions.Web)!;
                first ??= result;
                check(first, result);
                rates.Add(rateOf(result));
            }
        }

        var ours = Median(contestants[0].Rates);
        foreach (var (name, _, rates) in contestants)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{job + ", " + name,-36} {Median(rates),10:N1} {unit}  ({rates.Min():N1} to {rates.Max():N1})   {rates.Count} rounds   ours is {ours / Median(rates):F2} times"));
        }

        Goal.AtLeast($"{job}, ours beside eager PyTorch", ours / Median(contestants[1].Rates), LeastRatio);
    }

    private static void WriteModel(string directory, double deviation)
    {
        Directory.CreateDirectory(directory);
        using var random = TorchRandom.Enter(1);
        using var bart = new Bart(new BartConfig
        {
            Hidden = 256,
            EncoderLayers = 2,
            DecoderLayers = 2,
            EncoderHeads = 4,
            DecoderHeads = 4,
            EncoderFeedForward = 1024,
            DecoderFeedForward = 1024,
            Dropout = 0.1,
            MaxPositions = 128,
            Vocabulary = Vocabulary,
            InitDeviation = deviation,
        });
        BartFiles.Save(bart, directory);
    }

    private static void WriteWork<T>(string path, T work) => File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(work, JsonSerializerOptions.Web));

    private static TrainWork Training(Random random)
    {
        const int Tokens = 2_048;
        var batches = new List<TrainBatch>();
        while (batches.Count < 12)
        {
            var (inputs, targets, tokens) = (new List<int[]>(), new List<int[]>(), 0);
            while (tokens < Tokens)
            {
                inputs.Add(Input(random));
                targets.Add([.. Item(random.Next(Items)), 2]);
                tokens += inputs[^1].Length + targets[^1].Length;
            }

            batches.Add(new TrainBatch([.. inputs], [.. targets]));
        }

        return new TrainWork(LearningRate: 1e-3, Compared, [.. batches]);
    }

    private static DecodeWork Decoding(Random random) => new(
        Beams,
        WarmUp: 10,
        [.. Enumerable.Range(0, Items).Select(Item)],
        [.. Enumerable.Range(0, 40).Select(_ => Enumerable.Range(0, 16).Select(_ => Input(random)).ToArray())]);

    private static int[] Input(Random random)
    {
        var user = random.Next(30_000);
        // At least 4 and in the mean 8 of a Pareto distribution, as the lengths of Beauty's histories are spread.
        var length = (int)Math.Min(50, 4 / Math.Sqrt(1 - random.NextDouble()));
        return [0, UserHundreds + (user / 100), UserOnes + (user % 100), .. Enumerable.Range(0, length).SelectMany(_ => Item(random.Next(Items))), 2];
    }

    private static int[] Item(int item) => [ItemHundreds + (item / 100), ItemOnes + (item % 100)];

    private static void CheckLosses(TrainResult expected, TrainResult actual)
    {
        for (var step = 0; step < Compared; step++)
        {
            var (a, b) = (expected.Losses[step], actual.Losses[step]);
            if (!(Math.Abs(a - b) <= 1e-3 * a))
            {
                throw new BenchFailedException($"The loss of step {step + 1} is {a} on one side and {b} on the other.");
            }
        }
    }

    // Where two items are equally likely within the arithmetic, either may stand first, and the last of the list may be another.
    private static void CheckLists(DecodeResult expected, DecodeResult actual)
    {
        if (expected.Lists.Length != actual.Lists.Length)
        {
            throw new BenchFailedException($"There are {expected.Lists.Length} lists on one side and {actual.Lists.Length} on the other.");
        }

        foreach (var (user, (a, b)) in expected.Lists.Zip(actual.Lists).Index())
        {
            if (a.Length != Beams || b.Length != Beams)
            {
                throw new BenchFailedException($"List {user} has {a.Length} items on one side and {b.Length} on the other, not {Beams}.");
            }

            for (var place = 0; place < Beams; place++)
            {
                if (!(Math.Abs(a[place][1] - b[place][1]) <= 1e-4))
                {
                    throw new BenchFailedException(
                        $"List {user} has item {a[place][0]} with {a[place][1]} in place {place + 1} on one side, item {b[place][0]} with {b[place][1]} on the other.");
                }
            }
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        var ordered = values.Order().ToArray();
        return ordered[ordered.Length / 2];
    }
}

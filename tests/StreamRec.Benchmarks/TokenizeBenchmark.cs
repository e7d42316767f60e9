using System.Diagnostics;
using System.Text;
using StreamRec.Cli.Bench;
using StreamRec.Models.Text;

namespace StreamRec.Benchmarks;

/// <summary>
/// Byte-level BPE on one thread: training on 20,000 titles of 4 to 14 words to 8,000 tokens, then encoding them with the word cache warm, the
/// words no cache has seen, and decoding. Words are made of syllables, the common ones far more often, with numbers and punctuation between.
/// </summary>
internal static class TokenizeBenchmark
{
    private const int Titles = 20_000;
    private const int Words = 30_000;
    private const int Tokens = 8_000;
    private const double Megabyte = 1e6;

    /// <param name="rounds">Rounds.</param>
    public static async Task RunAsync(int rounds)
    {
        var random = new Random(1);
        var words = Enumerable.Range(0, Words).Select(_ => Word(random)).ToArray();
        string[] titles = [.. Enumerable.Range(0, Titles).Select(_ => Title(random, words))];
        string[] unseen = [.. Enumerable.Range(0, Titles).Select(_ => string.Join(' ', Enumerable.Range(0, 9).Select(_ => Word(random))))];
        var report = await BenchReport.RunAsync(
            $"./build.sh bench tokenize {rounds}",
            "tokenize",
            $"{Titles:N0} titles, {Bytes(titles) / Megabyte:F2} MB; {Tokens:N0} tokens; one thread.",
            rounds,
            [
                (_, _) => Task.FromResult(Measure(titles, unseen)),
            ],
            CancellationToken.None);
        report.Write();
    }

    private static IReadOnlyList<Sample> Measure(string[] titles, string[] unseen)
    {
        var started = Stopwatch.GetTimestamp();
        var tokenizer = ByteLevelBpeTrainer.Train(titles, Tokens, ByteLevelBpeSettings.Bart);
        var training = Stopwatch.GetElapsedTime(started);
        if (tokenizer.VocabularySize != Tokens)
        {
            throw new InvalidOperationException($"Training gave {tokenizer.VocabularySize} tokens.");
        }

        var ids = new List<int>();
        Encode(tokenizer, titles, ids);
        started = Stopwatch.GetTimestamp();
        Encode(tokenizer, titles, ids);
        var warm = Stopwatch.GetElapsedTime(started);
        var count = ids.Count;
        int[] sequence = [.. ids];

        started = Stopwatch.GetTimestamp();
        Encode(tokenizer, unseen, ids);
        var cold = Stopwatch.GetElapsedTime(started);

        started = Stopwatch.GetTimestamp();
        var decoded = tokenizer.Decode(sequence);
        var decoding = Stopwatch.GetElapsedTime(started);
        if (decoded.Length != titles.Sum(title => title.Length))
        {
            throw new InvalidOperationException("The titles did not come back.");
        }

        return
        [
            new Sample("training", training.TotalSeconds, "s"),
            new Sample("encoding, words seen before", Bytes(titles) / Megabyte / warm.TotalSeconds, "MB/s"),
            new Sample("encoding, every word new", Bytes(unseen) / Megabyte / cold.TotalSeconds, "MB/s"),
            new Sample("decoding", Bytes(titles) / Megabyte / decoding.TotalSeconds, "MB/s"),
            new Sample("bytes of a token", Bytes(titles) / (double)count, "B"),
        ];
    }

    private static void Encode(ByteLevelBpe tokenizer, string[] texts, List<int> ids)
    {
        ids.Clear();
        foreach (var text in texts)
        {
            tokenizer.Encode(text, ids);
        }
    }

    private static long Bytes(string[] texts) => texts.Sum(text => (long)Encoding.UTF8.GetByteCount(text));

    private static string Title(Random random, string[] words)
    {
        var title = new StringBuilder();
        for (var left = random.Next(4, 15); left > 0; left--)
        {
            var word = words[(int)(words.Length * Math.Pow(random.NextDouble(), 3))];
            title.Append(random.Next(12) == 0 ? $"{random.Next(1000)}-{word}" : word).Append(left == 1 ? "" : random.Next(10) == 0 ? ", " : " ");
        }

        return title.ToString();
    }

    private static string Word(Random random)
    {
        const string Consonants = "bcdfghjklmnprstvwz";
        const string Vowels = "aeiouy";
        var word = new StringBuilder();
        for (var syllables = random.Next(1, 5); syllables > 0; syllables--)
        {
            word.Append(Consonants[random.Next(Consonants.Length)]).Append(Vowels[random.Next(Vowels.Length)]);
            if (random.Next(3) == 0)
            {
                word.Append(Consonants[random.Next(Consonants.Length)]);
            }
        }

        return word.ToString();
    }
}

using System.Diagnostics;
using System.Text.Json;
using StreamRec.Models.Decoding;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Torch;

namespace StreamRec.Benchmarks;

/// <summary>Our side of <see cref="GenRecBenchmark"/>, a process of its own that reads and prints what the PyTorch script does.</summary>
internal static class GenRecJob
{
    /// <param name="job"><c>genrec-train</c> or <c>genrec-decode</c>.</param>
    /// <param name="model">Directory of a BART model.</param>
    /// <param name="path">File with the work.</param>
    public static void Run(string job, string model, string path)
    {
        TorchRuntime.SetThreads(1);
        using var bart = BartFiles.Load(model);
        var work = File.ReadAllBytes(path);
        Console.WriteLine(job == "genrec-train"
            ? JsonSerializer.Serialize(Train(bart, JsonSerializer.Deserialize<TrainWork>(work, JsonSerializerOptions.Web)!), JsonSerializerOptions.Web)
            : JsonSerializer.Serialize(Decode(bart, JsonSerializer.Deserialize<DecodeWork>(work, JsonSerializerOptions.Web)!), JsonSerializerOptions.Web));
    }

    private static TrainResult Train(Bart bart, TrainWork work)
    {
        using var random = TorchRandom.Enter(1);
        using var optimizer = new AdamW(bart.NamedParameters(), work.LearningRate);
        var losses = new List<double>();
        var (tokens, started) = (0L, 0L);
        foreach (var (step, batch) in work.Batches.Index())
        {
            if (step == work.Compared)
            {
                started = Stopwatch.GetTimestamp();
            }

            bart.Train(step >= work.Compared);
            using var scope = TensorScope.Enter();
            var (ids, padding) = Pad(batch.Inputs, bart.Config.Pad);
            optimizer.ZeroGrad();
            var loss = bart.Loss(ids, padding, Pad(batch.Targets, -100).Ids);
            loss.Backward();
            optimizer.Step();
            losses.Add(loss.Item<float>());
            tokens += step >= work.Compared ? batch.Tokens : 0;
        }

        return new TrainResult(tokens / Stopwatch.GetElapsedTime(started).TotalSeconds, [.. losses]);
    }

    private static DecodeResult Decode(Bart bart, DecodeWork work)
    {
        var trie = new TokenTrie(work.Strings, bart.Config.Eos);
        var options = new BeamOptions { Beams = work.Beams, Returned = work.Beams, MaxTokens = work.Strings.Max(tokens => tokens.Length) + 1 };
        var lists = new List<double[][]>();
        var (users, started) = (0, 0L);
        foreach (var (number, inputs) in work.Batches.Index())
        {
            if (number == work.WarmUp)
            {
                started = Stopwatch.GetTimestamp();
            }

            using var scope = TensorScope.Enter();
            var (ids, padding) = Pad(inputs, bart.Config.Pad);
            using var writer = new BartNextTokens(bart, ids, padding);
            var found = BeamSearch.Run(writer, options, trie);
            if (number >= work.WarmUp)
            {
                users += inputs.Length;
                lists.AddRange(found.Select(texts => texts.Select(text => new[] { text.Items[0], text.Score }).ToArray()));
            }
        }

        return new DecodeResult(users / Stopwatch.GetElapsedTime(started).TotalSeconds, [.. lists]);
    }

    private static (Tensor Ids, Tensor Padding) Pad(int[][] rows, int value)
    {
        var width = rows.Max(row => row.Length);
        var (ids, padding) = (new long[rows.Length * width], new bool[rows.Length * width]);
        for (var r = 0; r < rows.Length; r++)
        {
            for (var t = 0; t < width; t++)
            {
                var ended = t >= rows[r].Length;
                (ids[(r * width) + t], padding[(r * width) + t]) = (ended ? value : rows[r][t], ended);
            }
        }

        return (Tensor.From(ids, rows.Length, width), Tensor.From(padding, rows.Length, width));
    }
}

/// <param name="LearningRate">Of AdamW.</param>
/// <param name="Compared">The first steps, which are without dropout, so that both sides have to give one loss; not timed.</param>
/// <param name="Batches">One a step.</param>
internal sealed record TrainWork(double LearningRate, int Compared, TrainBatch[] Batches);

/// <param name="Inputs">Token ids of each input, ends included.</param>
/// <param name="Targets">What each is to be answered with.</param>
internal sealed record TrainBatch(int[][] Inputs, int[][] Targets)
{
    /// <summary>Without padding.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int Tokens => Inputs.Sum(row => row.Length) + Targets.Sum(row => row.Length);
}

/// <param name="Rate">Tokens in a second.</param>
/// <param name="Losses">Of all steps.</param>
internal sealed record TrainResult(double Rate, double[] Losses);

/// <param name="Beams">Beams, and length of a list.</param>
/// <param name="WarmUp">The first batches, not timed.</param>
/// <param name="Strings">Token ids of each item.</param>
/// <param name="Batches">For each batch the token ids of its inputs.</param>
internal sealed record DecodeWork(int Beams, int WarmUp, int[][] Strings, int[][][] Batches);

/// <param name="Rate">Lists in a second.</param>
/// <param name="Lists">For each input that was timed item and score of its list, best first.</param>
internal sealed record DecodeResult(double Rate, double[][][] Lists);

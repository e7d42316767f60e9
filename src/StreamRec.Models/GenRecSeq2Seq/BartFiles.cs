using StreamRec.Models.HuggingFace;
using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>BART models as Hugging Face directories: <c>config.json</c> beside safetensors.</summary>
internal static class BartFiles
{
    private const string Tokens = "model.shared.weight";

    // Not in the files of models saved without their head; zeros then.
    private static readonly HashSet<string> Optional = ["final_logits_bias"];

    /// <summary>Reads a model, ready to answer.</summary>
    /// <param name="directory">With <c>config.json</c> and weights; nothing outside it is opened.</param>
    /// <returns>The caller's, float32 on the CPU.</returns>
    /// <exception cref="InvalidDataException">The directory does not hold a BART model as it must be; the message says what is wrong.</exception>
    /// <exception cref="SafeTensorsException">A weight file is malformed.</exception>
    public static Bart Load(string directory)
    {
        var config = BartConfig.From(ConfigJson.Read(directory));
        using var weights = WeightFiles.Open(directory);
        var bart = new Bart(config);
        try
        {
            WeightMapping.Load(weights, bart.StateDict(), name => NameOf(name, config.TiedHead), Optional);
            bart.Eval();
            return bart;
        }
        catch
        {
            bart.Dispose();
            throw;
        }
    }

    /// <summary>Writes a model so that <see cref="Load"/> and other tools read it.</summary>
    /// <param name="bart">Its weights as they are.</param>
    /// <param name="directory">Exists and holds no model yet.</param>
    /// <param name="shardBytes">Most bytes of tensors in one file.</param>
    public static void Save(Bart bart, string directory, long shardBytes = WeightFiles.DefaultShardBytes)
    {
        WeightFiles.Write(directory, bart.StateDict().Select(pair => (pair.Key, pair.Value)), shardBytes);
        File.WriteAllBytes(Path.Combine(directory, ConfigJson.FileName), bart.Config.ToJson());
    }

    /// <summary>Our name for a tensor of a file; null for one that is no weight.</summary>
    private static string? NameOf(string name, bool tiedHead)
    {
        // Saved from the model without its head, all names lack the first part.
        var full = name.StartsWith("shared.", StringComparison.Ordinal)
            || name.StartsWith("encoder.", StringComparison.Ordinal)
            || name.StartsWith("decoder.", StringComparison.Ordinal) ? $"model.{name}" : name;
        return full switch
        {
            "model.encoder.embed_tokens.weight" or "model.decoder.embed_tokens.weight" => Tokens,
            "lm_head.weight" when tiedHead => Tokens,
            // A number that early versions kept among the weights.
            "model.encoder.version" or "model.decoder.version" => null,
            _ => full,
        };
    }
}

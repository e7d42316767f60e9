using System.Globalization;
using System.Text.Json;
using StreamRec.Torch;

namespace StreamRec.Models.HuggingFace;

/// <summary>Writing, so that the ordinary tools read it back.</summary>
internal sealed partial class WeightFiles
{
    /// <summary>Bytes above which a model is written as several files, as Hugging Face does.</summary>
    public const long DefaultShardBytes = 5_000_000_000;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    // Their readers refuse a file that does not say which framework's layout it has.
    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>Writes the tensors as one file, or as shards with an index when they are larger together than one may be.</summary>
    /// <remarks>Not atomic: write into a new directory and rename it where that matters.</remarks>
    /// <param name="directory">Exists and holds no weights yet.</param>
    /// <param name="tensors">Each name once; tied tensors under one of their names only.</param>
    /// <param name="shardBytes">Most bytes of tensors in one file; a single larger tensor has a file of its own.</param>
    /// <exception cref="IOException">The directory holds weights already.</exception>
    public static void Write(string directory, IEnumerable<(string Name, Tensor Tensor)> tensors, long shardBytes = DefaultShardBytes)
    {
        if (File.Exists(Path.Combine(directory, SingleFile)) || File.Exists(Path.Combine(directory, IndexFile)))
        {
            throw new IOException($"{directory} holds weights already; old shards beside a new index would be read as one model.");
        }

        var (shards, total) = Split(tensors, shardBytes);
        if (shards.Count == 1)
        {
            SafeTensorsFile.Write(Path.Combine(directory, SingleFile), shards[0], Metadata);
            return;
        }

        var map = new OrderedDictionary<string, string>();
        foreach (var (i, shard) in shards.Index())
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors");
            SafeTensorsFile.Write(Path.Combine(directory, name), shard, Metadata);
            foreach (var (tensor, _) in shard)
            {
                map.Add(tensor, name);
            }
        }

        var index = new { metadata = new { total_size = total }, weight_map = map };
        File.WriteAllBytes(Path.Combine(directory, IndexFile), JsonSerializer.SerializeToUtf8Bytes(index, Indented));
    }

    private static (List<List<(string Name, Tensor Tensor)>> Shards, long Total) Split(
        IEnumerable<(string Name, Tensor Tensor)> tensors, long shardBytes)
    {
        List<List<(string, Tensor)>> shards = [[]];
        var (total, inShard) = (0L, 0L);
        foreach (var named in tensors)
        {
            var bytes = named.Tensor.Numel * named.Tensor.Dtype.Size();
            if (inShard > 0 && inShard + bytes > shardBytes)
            {
                shards.Add([]);
                inShard = 0;
            }

            shards[^1].Add(named);
            (total, inShard) = (total + bytes, inShard + bytes);
        }

        return (shards, total);
    }
}

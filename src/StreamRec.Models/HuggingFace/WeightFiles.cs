using System.Text.Json;
using StreamRec.Torch;

namespace StreamRec.Models.HuggingFace;

/// <summary>
/// The weights of a Hugging Face directory, open for reading: <c>model.safetensors</c>, or the shards that
/// <c>model.safetensors.index.json</c> names.
/// </summary>
/// <remarks>
/// Only safetensors are read: a pickle can run code. Whatever the index says, no file outside the directory is opened. Index and shards
/// have to agree on every tensor. Threading: any thread.
/// </remarks>
internal sealed partial class WeightFiles : IDisposable
{
    /// <summary>The one file of a model that is not sharded.</summary>
    public const string SingleFile = "model.safetensors";

    /// <summary>Which tensor lies in which shard.</summary>
    public const string IndexFile = "model.safetensors.index.json";

    private const int MaxIndexBytes = 16 << 20;

    private readonly List<SafeTensorsFile> _files = [];
    private readonly OrderedDictionary<string, SafeTensorsFile> _tensors = [];

    private WeightFiles()
    {
    }

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyList<string> Names => _tensors.Keys;

    /// <exception cref="InvalidDataException">There are no weights, or index and shards are wrong; the message says what.</exception>
    /// <exception cref="SafeTensorsException">A file is malformed.</exception>
    public static WeightFiles Open(string directory)
    {
        var weights = new WeightFiles();
        try
        {
            if (File.Exists(Path.Combine(directory, SingleFile)))
            {
                var file = weights.OpenFile(directory, SingleFile);
                foreach (var name in file.Names)
                {
                    weights._tensors.Add(name, file);
                }
            }
            else if (File.Exists(Path.Combine(directory, IndexFile)))
            {
                weights.OpenShards(directory, ReadIndex(Path.Combine(directory, IndexFile)));
            }
            else
            {
                throw new InvalidDataException(
                    $"{directory} has neither {SingleFile} nor {IndexFile}. Other formats are not read, for a pickle can run code: save the model as safetensors first.");
            }

            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>What a header says about a tensor.</summary>
    /// <exception cref="SafeTensorsException">There is none of this name.</exception>
    public SafeTensorsEntry Entry(string name) => FileOf(name).Entry(name);

    /// <summary>A tensor's elements in the file's own type, on the CPU; the caller's, or the innermost scope's.</summary>
    /// <exception cref="SafeTensorsException">There is none of this name, or the file was cut short meanwhile.</exception>
    public Tensor Read(string name) => FileOf(name).Read(name);

    public void Dispose()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }
    }

    private SafeTensorsFile FileOf(string name) =>
        _tensors.TryGetValue(name, out var file) ? file : throw new SafeTensorsException($"There is no tensor '{name}' in the directory.");

    private SafeTensorsFile OpenFile(string directory, string name)
    {
        var file = SafeTensorsFile.Open(Path.Combine(directory, name));
        _files.Add(file);
        return file;
    }

    private void OpenShards(string directory, OrderedDictionary<string, string> index)
    {
        foreach (var shard in index.GroupBy(pair => pair.Value, pair => pair.Key))
        {
            if (!File.Exists(Path.Combine(directory, shard.Key)))
            {
                throw new InvalidDataException($"{IndexFile} names the shard {shard.Key}, which is missing.");
            }

            var file = OpenFile(directory, shard.Key);
            foreach (var name in shard)
            {
                if (!file.Contains(name))
                {
                    throw new InvalidDataException($"{IndexFile} places the tensor {name} in {shard.Key}, which does not have it.");
                }

                _tensors.Add(name, file);
            }

            if (file.Names.FirstOrDefault(name => !index.ContainsKey(name)) is { } extra)
            {
                throw new InvalidDataException($"{shard.Key} has the tensor {extra}, which {IndexFile} does not list.");
            }
        }
    }

    private static OrderedDictionary<string, string> ReadIndex(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > MaxIndexBytes)
        {
            throw new InvalidDataException($"{path} has {length} bytes; at most {MaxIndexBytes} are accepted.");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{IndexFile} has no object 'weight_map'.");
            }

            var index = new OrderedDictionary<string, string>();
            foreach (var pair in map.EnumerateObject())
            {
                var shard = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString()! : "";
                if (!IsPlainName(shard))
                {
                    throw new InvalidDataException(
                        $"{IndexFile} places the tensor {pair.Name} in '{shard}'; it must be the name of a .safetensors file in the same directory.");
                }

                if (!index.TryAdd(pair.Name, shard))
                {
                    throw new InvalidDataException($"{IndexFile} lists the tensor {pair.Name} twice.");
                }
            }

            return index;
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{IndexFile} is not valid JSON: {exception.Message}", exception);
        }
    }

    // Separators of every system, since the directory may have been written on another one.
    private static bool IsPlainName(string name) =>
        name.EndsWith(".safetensors", StringComparison.Ordinal) && !name.StartsWith('.') && name.IndexOfAny(['/', '\\', ':', '\0']) < 0;
}

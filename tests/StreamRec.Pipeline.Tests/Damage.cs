using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StreamRec.Torch;

namespace StreamRec.Pipeline.Tests;

/// <summary>What can be wrong with a checkpoint.</summary>
public enum Damage
{
    FlippedByte,
    MissingFile,
    NanWeight,
    WrongShape,
}

/// <summary>Copies of a checkpoint that are damaged in one way each.</summary>
internal static class DamagedCheckpoint
{
    private const string Weights = "model.safetensors";

    /// <summary>Copies <c>recgpt@1</c> under another version and damages the copy.</summary>
    public static void Create(string models, int version, Damage damage)
    {
        var original = Path.Combine(models, "recgpt", "1");
        var copy = Directory.CreateDirectory(Path.Combine(models, "recgpt", version.ToString())).FullName;
        foreach (var file in Directory.EnumerateFiles(original))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        var manifestFile = Path.Combine(copy, "manifest.json");
        var manifest = JsonNode.Parse(File.ReadAllText(manifestFile))!;
        manifest["version"] = version;
        var weights = Path.Combine(copy, Weights);
        switch (damage)
        {
            case Damage.FlippedByte:
                Change(weights, bytes => bytes[^1] ^= 1);
                break;
            case Damage.MissingFile:
                File.Delete(weights);
                break;
            case Damage.NanWeight:
                // The second row of this table is read in training only, so no golden input computes with it.
                Change(weights, bytes => BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(EndOf(weights, "segment_embeddings.weight") - 4), float.NaN));
                manifest["files"]![Weights] = HashOf(weights);
                break;
            case Damage.WrongShape:
                Shorten(weights, Path.Combine(original, Weights), "position_embeddings.weight");
                manifest["files"]![Weights] = HashOf(weights);
                break;
        }

        File.WriteAllText(manifestFile, manifest.ToJsonString());
    }

    private static void Change(string path, Action<byte[]> change)
    {
        var bytes = File.ReadAllBytes(path);
        change(bytes);
        File.WriteAllBytes(path, bytes);
    }

    // Offsets count from the end of the header, whose length is in the first eight bytes.
    private static int EndOf(string path, string tensor)
    {
        using var file = SafeTensorsFile.Open(path);
        return (int)(8 + BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(path)) + file.Entry(tensor).End);
    }

    private static void Shorten(string path, string original, string tensor)
    {
        using var scope = TensorScope.Enter();
        using var file = SafeTensorsFile.Open(original);
        Assert.Contains(tensor, file.Names);
        SafeTensorsFile.Write(
            path,
            file.Names.Select(name => (name, name == tensor ? file.Read(name).Narrow(0, 0, file.Entry(name).Shape[0] - 1) : file.Read(name))),
            file.Metadata);
    }

    private static string HashOf(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
}

using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>Damages weight files on purpose.</summary>
internal static class Weights
{
    /// <summary>Replaces one tensor of a safetensors file.</summary>
    public static void Rewrite(string path, string name, Func<Tensor, Tensor> change)
    {
        using var scope = TensorScope.Enter();
        List<(string, Tensor)> tensors;
        using (var file = SafeTensorsFile.Open(path))
        {
            tensors = [.. file.Names.Select(n => (n, n == name ? change(file.Read(n)).Contiguous() : file.Read(n)))];
        }

        SafeTensorsFile.Write(path, tensors);
    }
}

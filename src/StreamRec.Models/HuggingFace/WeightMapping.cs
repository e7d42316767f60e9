using StreamRec.Torch;

namespace StreamRec.Models.HuggingFace;

/// <summary>Copies the tensors of a directory into a model's own, by name.</summary>
internal static class WeightMapping
{
    // A wrong directory differs in everything; the first few names say as much as all of them.
    private const int MaxReported = 8;

    /// <summary>Fills a model.</summary>
    /// <param name="weights">From where; float32, float16 or bfloat16, converted to the model's type.</param>
    /// <param name="model">The model's tensors by name.</param>
    /// <param name="nameOf">
    /// The model's name for a tensor of the file, null for one that means nothing here. Several may have one name, as copies of a tied
    /// tensor do: they have to be equal.
    /// </param>
    /// <param name="optional">Names that the file may lack; the model keeps what it has.</param>
    /// <exception cref="InvalidDataException">
    /// Tensors are unknown, missing or of another shape or type; the message lists them and nothing was copied. Or copies of a tied tensor differ.
    /// </exception>
    public static void Load(
        WeightFiles weights, IReadOnlyDictionary<string, Tensor> model, Func<string, string?> nameOf, IReadOnlySet<string> optional)
    {
        var sources = Match(weights, model, nameOf, optional);
        using var noGrad = NoGrad.Enter();
        foreach (var (name, files) in sources)
        {
            using var scope = TensorScope.Enter();
            var target = model[name];
            var first = weights.Read(files[0]);
            target.CopyFrom_(first);
            foreach (var other in files.Skip(1))
            {
                if (!weights.Read(other).Eq(first).All().Item<bool>())
                {
                    throw new InvalidDataException($"The tensors {files[0]} and {other} are tied in this model, but their elements differ.");
                }
            }
        }
    }

    private static OrderedDictionary<string, List<string>> Match(
        WeightFiles weights, IReadOnlyDictionary<string, Tensor> model, Func<string, string?> nameOf, IReadOnlySet<string> optional)
    {
        var sources = new OrderedDictionary<string, List<string>>();
        List<string> unknown = [], wrong = [];
        foreach (var name in weights.Names)
        {
            if (nameOf(name) is not { } own)
            {
                continue;
            }

            if (!model.TryGetValue(own, out var tensor))
            {
                unknown.Add(name);
                continue;
            }

            var entry = weights.Entry(name);
            if (!entry.Dtype.IsFloatingPoint())
            {
                wrong.Add($"{name} of {entry.Dtype}, which must be a floating type");
            }
            else if (!entry.Shape.SequenceEqual(tensor.Shape))
            {
                wrong.Add($"{name} of shape [{string.Join(", ", entry.Shape)}], which must be [{string.Join(", ", tensor.Shape)}]");
            }

            if (!sources.TryGetValue(own, out var files))
            {
                sources.Add(own, files = []);
            }

            files.Add(name);
        }

        List<string> missing = [.. model.Keys.Where(name => !sources.ContainsKey(name) && !optional.Contains(name))];
        if (unknown.Count + wrong.Count + missing.Count > 0)
        {
            throw new InvalidDataException(
                $"The weights do not belong to this model.{Listed("Unknown", unknown)}{Listed("Missing", missing)}{Listed("Not as they must be", wrong)}");
        }

        return sources;
    }

    private static string Listed(string what, List<string> names) => names.Count switch
    {
        0 => "",
        <= MaxReported => $" {what}: {string.Join("; ", names)}.",
        _ => $" {what}: {string.Join("; ", names.Take(MaxReported))}; and {names.Count - MaxReported} more.",
    };
}

using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Models.HuggingFace;
using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>A GenRec model as files: weights, BART's <c>config.json</c>, the tokenizer's directory, items and users by row.</summary>
internal static class GenRecFiles
{
    public const string WeightsFile = "model.safetensors";
    public const string ItemsFile = "items.tsv";
    public const string UsersFile = "users.tsv";

    private const string Tokens = "bart.model.shared.weight";
    private const string Head = "bart.lm_head.weight";
    private const string HeadBias = "bart.final_logits_bias";
    private const string UserTable = "user_ids.weight";
    private const string ItemTable = "item_ids.weight";

    /// <summary>Writes a model into an existing empty directory and returns the files' names.</summary>
    public static IReadOnlyList<string> Write(string directory, GenRecNetwork network, GenRecWords words, Vocabulary items, Vocabulary users)
    {
        SafeTensorsFile.Write(
            Path.Combine(directory, WeightsFile),
            network.StateDict().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)));
        File.WriteAllBytes(Path.Combine(directory, ConfigJson.FileName), network.Bart.Config.ToJson());
        items.Write(Path.Combine(directory, ItemsFile));
        users.Write(Path.Combine(directory, UsersFile));
        return [WeightsFile, ConfigJson.FileName, ItemsFile, UsersFile, .. words.Save(directory)];
    }

    /// <summary>Reads the weights of a checkpoint; memory is taken only for shapes that the file has.</summary>
    /// <exception cref="CheckpointRejectedException">A tensor is not as configuration and vocabularies say, or not finite.</exception>
    /// <exception cref="InvalidDataException">The configuration cannot be used.</exception>
    public static GenRecNetwork Read(string directory, GenRecWords words, Vocabulary items, Vocabulary users, double? idScale)
    {
        var config = BartConfig.From(ConfigJson.Read(directory));
        using var file = SafeTensorsFile.Open(Path.Combine(directory, WeightsFile));
        Check(ItemTable, items.Rows, config.Hidden);
        Check(UserTable, users.Rows, config.Hidden);
        Check(Tokens, config.Vocabulary, config.Hidden);
        foreach (var (stack, layers, width) in new[] { ("encoder", config.EncoderLayers, config.EncoderFeedForward), ("decoder", config.DecoderLayers, config.DecoderFeedForward) })
        {
            // Two positions are BART's own.
            Check($"bart.model.{stack}.embed_positions.weight", config.MaxPositions + 2, config.Hidden);
            Check($"bart.model.{stack}.layers.{layers - 1}.fc1.weight", width, config.Hidden);
        }

        if (words.Vocabulary > config.Vocabulary)
        {
            throw new CheckpointRejectedException($"the tokenizer has {words.Vocabulary} tokens, the network {config.Vocabulary}");
        }

        var network = new GenRecNetwork(new Bart(config), users.Rows, items.Rows, idScale);
        try
        {
            CheckpointWeights.Load(network.StateDict(), file, WeightsFile);
            network.Eval();
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }

        void Check(string name, params long[] shape)
        {
            if (!file.Names.Contains(name) || !file.Entry(name).Shape.SequenceEqual(shape))
            {
                throw new CheckpointRejectedException(
                    $"{name} is {(file.Names.Contains(name) ? $"[{string.Join(", ", file.Entry(name).Shape)}]" : "missing")}; expected [{string.Join(", ", shape)}]");
            }
        }
    }

    /// <summary>Copies a parent's weights into a child that may know more items and tokens, and other users.</summary>
    /// <exception cref="ArgumentException">Another shape differs; the message names it.</exception>
    public static void Inherit(GenRecNetwork network, string directory, Vocabulary users, Vocabulary parentUsers)
    {
        using var file = SafeTensorsFile.Open(Path.Combine(directory, WeightsFile));
        using var noGrad = NoGrad.Enter();
        var state = network.StateDict();
        if (state.Keys.Except(file.Names).Concat(file.Names.Except(state.Keys)).FirstOrDefault() is { } odd)
        {
            throw new ArgumentException($"Only one of the recipe and the parent has {odd}; {GenRecFamily.UseParents}");
        }

        foreach (var (name, own) in state)
        {
            using var scope = TensorScope.Enter();
            var value = file.Read(name);
            if (name == UserTable)
            {
                CheckpointWeights.InheritRows(own, value, users, parentUsers);
                continue;
            }

            var grows = name is Tokens or Head or ItemTable ? 0 : name == HeadBias ? 1 : -1;
            if (!Fits(value.Shape, own.Shape, grows))
            {
                throw new ArgumentException(
                    $"The recipe gives {name} the shape [{string.Join(", ", own.Shape)}], the parent has [{string.Join(", ", value.Shape)}]; {GenRecFamily.UseParents}");
            }

            (grows < 0 ? own : own.Narrow(grows, 0, value.Size(grows))).CopyFrom_(value);
        }
    }

    private static bool Fits(long[] parent, long[] own, int grows) =>
        parent.Length == own.Length && parent.Zip(own).Index().All(size => size.Item.First == size.Item.Second || (size.Index == grows && size.Item.First < size.Item.Second));
}

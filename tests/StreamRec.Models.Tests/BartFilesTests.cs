using System.Text;
using System.Text.Json.Nodes;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Models.HuggingFace;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>Hugging Face directories: what is written is read, and what is not as it must be is said.</summary>
public sealed class BartFilesTests : IDisposable
{
    private const string Bias = "final_logits_bias";
    private const string Shared = "model.shared.weight";

    private static readonly BartConfig Small = new()
    {
        Hidden = 8,
        EncoderLayers = 1,
        DecoderLayers = 1,
        EncoderHeads = 2,
        DecoderHeads = 2,
        EncoderFeedForward = 12,
        DecoderFeedForward = 10,
        Activation = BartActivation.GeluNew,
        MaxPositions = 9,
        Vocabulary = 13,
        ForcedEos = null,
    };

    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-bart-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData(true, long.MaxValue, 1)]
    [InlineData(false, long.MaxValue, 1)]
    [InlineData(true, 1000, 7)]
    public void A_saved_model_is_loaded_bit_for_bit(bool tied, long shardBytes, int atLeastFiles)
    {
        using var scope = TensorScope.Enter();
        using var bart = Save(Small with { TiedHead = tied }, shardBytes);
        using var loaded = BartFiles.Load(_directory);

        Assert.Equal(bart.Config, loaded.Config);
        Assert.InRange(Directory.GetFiles(_directory, "*.safetensors").Length, atLeastFiles, 100);
        Assert.Equal(bart.StateDict().Keys, loaded.StateDict().Keys);
        Assert.All(bart.StateDict().Zip(loaded.StateDict()), pair => Assert.True(pair.First.Value.Eq(pair.Second.Value).All().Item<bool>()));
        Assert.Equal(tied, !loaded.StateDict().ContainsKey("lm_head.weight"));
        Assert.False(loaded.Training);
    }

    [Theory]
    [InlineData("Float16", 2e-3f)]
    [InlineData("BFloat16", 1e-2f)]
    public void Half_precision_files_become_float32(string dtype, float tolerance)
    {
        using var scope = TensorScope.Enter();
        using var bart = Save(Small);
        RewriteAll(tensors => [.. tensors.Select(pair => (pair.Name, pair.Tensor.To(Enum.Parse<ScalarType>(dtype))))]);

        using var loaded = BartFiles.Load(_directory);

        Assert.All(bart.StateDict(), pair =>
        {
            Assert.Equal(ScalarType.Float32, loaded.StateDict()[pair.Key].Dtype);
            Assert.InRange(Fixtures.MaxDifference(loaded.StateDict()[pair.Key], pair.Value), 0, tolerance);
        });
    }

    [Fact]
    public void Copies_of_the_token_table_and_names_without_their_first_part_are_understood()
    {
        using var scope = TensorScope.Enter();
        using var bart = Save(Small);
        RewriteAll(tensors =>
        [
            .. tensors.Where(pair => pair.Name != Bias).Select(pair => (pair.Name["model.".Length..], pair.Tensor)),
            ("encoder.embed_tokens.weight", bart.StateDict()[Shared].Clone()),
            ("decoder.embed_tokens.weight", bart.StateDict()[Shared].Clone()),
            ("encoder.version", Tensor.Full([1], 3)),
        ]);

        using var loaded = BartFiles.Load(_directory);

        Assert.Equal(0, Fixtures.MaxDifference(loaded.StateDict()[Shared], bart.StateDict()[Shared]));
        Assert.Equal(0, loaded.StateDict()[Bias].Abs().Max().Item<float>());
    }

    [Fact]
    public void Copies_of_the_token_table_that_differ_are_refused()
    {
        using var scope = TensorScope.Enter();
        using var bart = Save(Small);
        RewriteAll(tensors => [.. tensors, ("lm_head.weight", bart.StateDict()[Shared] + 1)]);

        Assert.Contains("tied in this model, but their elements differ", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_tensor_that_does_not_fit_is_named()
    {
        using var scope = TensorScope.Enter();
        Save(Small).Dispose();
        RewriteAll(tensors =>
        [
            .. tensors.Where(pair => pair.Name != Shared && !pair.Name.EndsWith("layers.0.fc1.bias", StringComparison.Ordinal)),
            ("model.encoder.layers.0.fc1.bias", Tensor.Zeros([13])),
            ("model.decoder.layers.0.fc1.bias", Tensor.Zeros([10], ScalarType.Int64)),
            ("model.decoder.layers.1.fc1.bias", Tensor.Zeros([10])),
        ]);

        Assert.Equal(
            "The weights do not belong to this model. Unknown: model.decoder.layers.1.fc1.bias. Missing: model.shared.weight. Not as they must be: "
            + "model.decoder.layers.0.fc1.bias of Int64, which must be a floating type; "
            + "model.encoder.layers.0.fc1.bias of shape [13], which must be [12].",
            Refusal());
    }

    [Theory]
    [InlineData("../model-00001-of-00002.safetensors")]
    [InlineData("/etc/model.safetensors")]
    [InlineData("sub/model.safetensors")]
    [InlineData("..\\model.safetensors")]
    [InlineData("C:model.safetensors")]
    [InlineData("pytorch_model.bin")]
    [InlineData("")]
    public void An_index_cannot_lead_out_of_its_directory_or_to_other_formats(string shard)
    {
        Save(Small, 4000).Dispose();
        ChangeIndex(map => map[Shared] = shard);

        Assert.Contains("must be the name of a .safetensors file in the same directory", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Index_and_shards_have_to_agree()
    {
        Save(Small, 4000).Dispose();
        var path = Path.Combine(_directory, WeightFiles.IndexFile);
        var index = File.ReadAllText(path);
        ChangeIndex(map => map.Remove(Shared));
        Assert.Contains($"has the tensor {Shared}, which {WeightFiles.IndexFile} does not list", Refusal(), StringComparison.Ordinal);
        File.WriteAllText(path, index);
        ChangeIndex(map => map["more"] = map.First().Value!.GetValue<string>());
        Assert.Contains("places the tensor more in model-00001-of-", Refusal(), StringComparison.Ordinal);
        File.WriteAllText(path, index);
        ChangeIndex(map => map["more"] = "model-9.safetensors");
        Assert.Contains("names the shard model-9.safetensors, which is missing", Refusal(), StringComparison.Ordinal);
        File.WriteAllText(path, "[");
        Assert.Contains("is not valid JSON", Refusal(), StringComparison.Ordinal);
        File.WriteAllText(path, "[]");
        Assert.Contains("has no object 'weight_map'", Refusal(), StringComparison.Ordinal);
        File.Delete(path);
        Assert.Contains("has neither model.safetensors nor model.safetensors.index.json", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_are_not_written_over_others()
    {
        using var bart = Save(Small);
        Assert.Throws<IOException>(() => BartFiles.Save(bart, _directory));
    }

    [Theory]
    [InlineData("\"d_model\": 0", "d_model is 0; it must be a whole number in [1, 65536].")]
    [InlineData("\"d_model\": \"8\"", "d_model is \"8\"; it must be a whole number in [1, 65536].")]
    [InlineData("\"d_model\": 9", "d_model is 9; it must be a multiple of encoder_attention_heads, 16.")]
    [InlineData("\"dropout\": 1.5", "dropout is 1.5; it must be a number in [0, 0.99].")]
    [InlineData("\"pad_token_id\": 50265", "pad_token_id is 50265; it must be a whole number in [0, 50264].")]
    [InlineData("\"scale_embedding\": 1", "scale_embedding is 1; it must be true or false.")]
    [InlineData("\"activation_function\": \"tanh\"", "activation_function is \"tanh\"; it must be one of gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish.")]
    [InlineData("\"model_type\": \"mbart\"", "model_type is \"mbart\"; it must be one of bart.")]
    [InlineData("\"normalize_before\": true", "normalize_before is true, a variant that is not supported; it must be false.")]
    public void A_configuration_that_cannot_be_had_is_refused_by_name(string setting, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => BartConfig.From(ConfigJson.Parse(Encoding.UTF8.GetBytes($"{{{setting}}}"))));
        Assert.Equal($"config.json: {message}", error.Message);
    }

    [Fact]
    public void Keys_that_a_configuration_lacks_have_the_values_that_its_writer_assumes()
    {
        var config = BartConfig.From(ConfigJson.Parse("""{"force_bos_token_to_be_generated": true, "task": {"a": 1}}"""u8.ToArray()));

        Assert.Equal(
            new BartConfig
            {
                Hidden = 1024,
                EncoderLayers = 12,
                DecoderLayers = 12,
                EncoderHeads = 16,
                DecoderHeads = 16,
                EncoderFeedForward = 4096,
                DecoderFeedForward = 4096,
                ForcedBos = 0,
                ForcedEos = 2,
            },
            config);
        Assert.Null(BartConfig.From(ConfigJson.Parse("""{"forced_eos_token_id": null}"""u8.ToArray())).ForcedEos);
    }

    private Bart Save(BartConfig config, long shardBytes = long.MaxValue)
    {
        using var random = TorchRandom.Enter(1);
        var bart = new Bart(config);
        using (NoGrad.Enter())
        {
            bart.StateDict()[Bias].Normal_(0, 1);
        }

        BartFiles.Save(bart, _directory, shardBytes);
        return bart;
    }

    private void RewriteAll(Func<List<(string Name, Tensor Tensor)>, List<(string Name, Tensor Tensor)>> change)
    {
        var path = Path.Combine(_directory, WeightFiles.SingleFile);
        List<(string, Tensor)> tensors;
        using (var file = SafeTensorsFile.Open(path))
        {
            tensors = [.. file.Names.Select(name => (name, file.Read(name)))];
        }

        SafeTensorsFile.Write(path, change(tensors));
    }

    private void ChangeIndex(Action<JsonObject> change)
    {
        var path = Path.Combine(_directory, WeightFiles.IndexFile);
        var index = JsonNode.Parse(File.ReadAllText(path))!;
        change(index["weight_map"]!.AsObject());
        File.WriteAllText(path, index.ToJsonString());
    }

    private string Refusal()
    {
        using var scope = TensorScope.Enter();
        return Assert.Throws<InvalidDataException>(() => BartFiles.Load(_directory)).Message;
    }
}

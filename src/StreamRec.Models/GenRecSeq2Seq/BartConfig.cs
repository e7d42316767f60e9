using System.Text.Json;
using StreamRec.Models.HuggingFace;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>The function between the two layers of a feed-forward part.</summary>
internal enum BartActivation
{
    /// <summary>x Phi(x), exact.</summary>
    Gelu,

    /// <summary>Its approximation by tanh.</summary>
    GeluNew,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>x sigmoid(x).</summary>
    Silu,
}

/// <summary>Everything that a <c>config.json</c> says about a BART model. Defaults are those of facebook/bart-base.</summary>
/// <remarks>
/// Settings of generation and of classification heads are not read: whoever decodes says how. Variants that compute something else
/// (pre-norm, no embedding norm, sinusoidal positions) are refused by name.
/// </remarks>
internal sealed record BartConfig
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly string[] Architectures = ["BartForConditionalGeneration"];

    private static readonly Dictionary<string, BartActivation> Activations = new()
    {
        ["gelu"] = BartActivation.Gelu,
        ["gelu_new"] = BartActivation.GeluNew,
        ["gelu_pytorch_tanh"] = BartActivation.GeluNew,
        ["relu"] = BartActivation.Relu,
        ["silu"] = BartActivation.Silu,
        ["swish"] = BartActivation.Silu,
    };

    /// <summary>Width d of all vectors, 1 to 65,536, a multiple of both numbers of heads.</summary>
    public int Hidden { get; init; } = 768;

    /// <summary>Encoder layers, 1 to 256.</summary>
    public int EncoderLayers { get; init; } = 6;

    /// <summary>Decoder layers, 1 to 256.</summary>
    public int DecoderLayers { get; init; } = 6;

    /// <summary>Heads of each attention of the encoder, 1 to 1,024.</summary>
    public int EncoderHeads { get; init; } = 12;

    /// <summary>Heads of each attention of the decoder, 1 to 1,024.</summary>
    public int DecoderHeads { get; init; } = 12;

    /// <summary>Width of the encoder's feed-forward parts, 1 to 1,048,576.</summary>
    public int EncoderFeedForward { get; init; } = 3072;

    /// <summary>Width of the decoder's feed-forward parts, 1 to 1,048,576.</summary>
    public int DecoderFeedForward { get; init; } = 3072;

    /// <summary>Between the layers of a feed-forward part.</summary>
    public BartActivation Activation { get; init; } = BartActivation.Gelu;

    /// <summary>Dropout of embeddings and of what a part adds, in [0, 1).</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Dropout of attention weights, in [0, 1).</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Dropout between the layers of a feed-forward part, in [0, 1).</summary>
    public double ActivationDropout { get; init; }

    /// <summary>Probability that a pass of training leaves out an encoder layer, in [0, 1).</summary>
    public double EncoderLayerDrop { get; init; }

    /// <summary>Probability that a pass of training leaves out a decoder layer, in [0, 1).</summary>
    public double DecoderLayerDrop { get; init; }

    /// <summary>Whether token embeddings are multiplied by sqrt(d).</summary>
    public bool ScaleEmbedding { get; init; }

    /// <summary>Tokens that encoder and decoder can read, 1 to 1,048,576.</summary>
    public int MaxPositions { get; init; } = 1024;

    /// <summary>Tokens, 1 to 16,777,216.</summary>
    public int Vocabulary { get; init; } = 50265;

    /// <summary>Fills short rows.</summary>
    public int Pad { get; init; } = 1;

    /// <summary>Begins a text.</summary>
    public int Bos { get; init; }

    /// <summary>Ends a text.</summary>
    public int Eos { get; init; } = 2;

    /// <summary>What the decoder reads first.</summary>
    public int DecoderStart { get; init; } = 2;

    /// <summary>The token that every generated text begins with, null for any.</summary>
    public int? ForcedBos { get; init; }

    /// <summary>The token that a text of the greatest length ends with, null for any.</summary>
    public int? ForcedEos { get; init; } = 2;

    /// <summary>Whether the output head is the token table.</summary>
    public bool TiedHead { get; init; } = true;

    /// <summary>Deviation of initial weights, in [0, 10].</summary>
    public double InitDeviation { get; init; } = 0.02;

    /// <summary>Reads a configuration; a key that the file lacks has the value that the class which wrote it would assume.</summary>
    /// <exception cref="InvalidDataException">A value is out of range or a variant not supported; the message names the key.</exception>
    public static BartConfig From(ConfigJson json)
    {
        json.OneOf("model_type", true, new Dictionary<string, bool> { ["bart"] = true });
        json.RequireFlag("is_encoder_decoder", true);
        json.RequireFlag("normalize_before", false);
        json.RequireFlag("add_final_layer_norm", false);
        json.RequireFlag("normalize_embedding", true);
        json.RequireFlag("static_position_embeddings", false);

        var vocabulary = json.Int("vocab_size", 50265, 1, 1 << 24);
        var bos = json.Int("bos_token_id", 0, 0, vocabulary - 1);
        var config = new BartConfig
        {
            Hidden = json.Int("d_model", 1024, 1, 1 << 16),
            EncoderLayers = json.Int("encoder_layers", 12, 1, 256),
            DecoderLayers = json.Int("decoder_layers", 12, 1, 256),
            EncoderHeads = json.Int("encoder_attention_heads", 16, 1, 1024),
            DecoderHeads = json.Int("decoder_attention_heads", 16, 1, 1024),
            EncoderFeedForward = json.Int("encoder_ffn_dim", 4096, 1, 1 << 20),
            DecoderFeedForward = json.Int("decoder_ffn_dim", 4096, 1, 1 << 20),
            Activation = json.OneOf("activation_function", BartActivation.Gelu, Activations),
            Dropout = json.Number("dropout", 0.1, 0, 0.99),
            AttentionDropout = json.Number("attention_dropout", 0, 0, 0.99),
            ActivationDropout = json.Number("activation_dropout", 0, 0, 0.99),
            EncoderLayerDrop = json.Number("encoder_layerdrop", 0, 0, 0.99),
            DecoderLayerDrop = json.Number("decoder_layerdrop", 0, 0, 0.99),
            ScaleEmbedding = json.Flag("scale_embedding", false),
            MaxPositions = json.Int("max_position_embeddings", 1024, 1, 1 << 20),
            Vocabulary = vocabulary,
            Pad = json.Int("pad_token_id", 1, 0, vocabulary - 1),
            Bos = bos,
            Eos = json.Int("eos_token_id", 2, 0, vocabulary - 1),
            DecoderStart = json.Int("decoder_start_token_id", 2, 0, vocabulary - 1),
            // The first models say it with a flag.
            ForcedBos = json.IntOrNull("forced_bos_token_id", null, 0, vocabulary - 1)
                ?? (json.Flag("force_bos_token_to_be_generated", false) ? bos : null),
            ForcedEos = json.IntOrNull("forced_eos_token_id", 2, 0, vocabulary - 1),
            TiedHead = json.Flag("tie_word_embeddings", true),
            InitDeviation = json.Number("init_std", 0.02, 0, 10),
        };
        foreach (var (key, heads) in new[] { ("encoder_attention_heads", config.EncoderHeads), ("decoder_attention_heads", config.DecoderHeads) })
        {
            if (config.Hidden % heads != 0)
            {
                throw new InvalidDataException($"{ConfigJson.FileName}: d_model is {config.Hidden}; it must be a multiple of {key}, {heads}.");
            }
        }

        return config;
    }

    /// <summary>The configuration as the file that <see cref="From"/> and other tools read.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(
        new OrderedDictionary<string, object?>
        {
            ["architectures"] = Architectures,
            ["model_type"] = "bart",
            ["is_encoder_decoder"] = true,
            ["torch_dtype"] = "float32",
            ["d_model"] = Hidden,
            ["encoder_layers"] = EncoderLayers,
            ["decoder_layers"] = DecoderLayers,
            ["num_hidden_layers"] = EncoderLayers,
            ["encoder_attention_heads"] = EncoderHeads,
            ["decoder_attention_heads"] = DecoderHeads,
            ["encoder_ffn_dim"] = EncoderFeedForward,
            ["decoder_ffn_dim"] = DecoderFeedForward,
            ["activation_function"] = Activations.First(pair => pair.Value == Activation).Key,
            ["dropout"] = Dropout,
            ["attention_dropout"] = AttentionDropout,
            ["activation_dropout"] = ActivationDropout,
            ["encoder_layerdrop"] = EncoderLayerDrop,
            ["decoder_layerdrop"] = DecoderLayerDrop,
            ["scale_embedding"] = ScaleEmbedding,
            ["max_position_embeddings"] = MaxPositions,
            ["vocab_size"] = Vocabulary,
            ["pad_token_id"] = Pad,
            ["bos_token_id"] = Bos,
            ["eos_token_id"] = Eos,
            ["decoder_start_token_id"] = DecoderStart,
            ["forced_bos_token_id"] = ForcedBos,
            // Null has to be written: left out, their reader would force token 2.
            ["forced_eos_token_id"] = ForcedEos,
            ["tie_word_embeddings"] = TiedHead,
            ["init_std"] = InitDeviation,
        },
        Indented);
}

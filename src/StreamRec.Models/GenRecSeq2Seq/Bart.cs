using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

// BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation, Translation, and Comprehension,
// Lewis et al. 2020, arXiv 1910.13461. A bidirectional encoder reads a text, an auto-regressive decoder writes one.
// Parameter names, and the offset of 2 in the tables of positions, are those of Hugging Face's BartForConditionalGeneration.
//
// Departs: one sequence of tokens may carry further embeddings (GenRec adds those of users and items): they are added to the tokens' own
//          before the position's.
// Departs: the table row of padding is an ordinary row; padding is neither attended to nor a target, so it gets no gradient but the head's.

/// <summary>An encoder-decoder Transformer, normalised after each sum, with learned positions and the token table as output head.</summary>
/// <remarks>Threading: the forward passes keep no state outside their cache, so several threads may run them at once.</remarks>
internal sealed partial class Bart : Module
{
    private const int PositionOffset = 2;
    private const long Ignored = -100;

    private readonly Body _body;
    private readonly Linear? _head;
    private readonly Tensor _logitsBias;

    /// <summary>A model with random weights, drawn from the thread's <see cref="TorchRandom"/>.</summary>
    public Bart(BartConfig config)
    {
        Config = config;
        _logitsBias = RegisterBuffer("final_logits_bias", Tensor.Zeros([1, config.Vocabulary]));
        _body = RegisterModule("model", new Body(config));
        _head = config.TiedHead ? null : RegisterModule("lm_head", new Linear(config.Hidden, config.Vocabulary, bias: false));

        using var noGrad = NoGrad.Enter();
        foreach (var (name, parameter) in NamedParameters())
        {
            if (name.EndsWith("norm.weight", StringComparison.Ordinal) || name.EndsWith("embedding.weight", StringComparison.Ordinal))
            {
                continue;
            }

            if (parameter.Dim == 1)
            {
                parameter.Zero_();
            }
            else
            {
                parameter.Normal_(0, config.InitDeviation);
            }
        }

        _body.Tokens.Weight.Select(0, config.Pad).Zero_();
    }

    /// <summary>Shapes and mathematics.</summary>
    public BartConfig Config { get; }

    /// <summary>Where the weights are.</summary>
    public Device Device => _logitsBias.Device;

    /// <summary>Reads the inputs.</summary>
    /// <param name="ids">int64 [B, S], S at most MaxPositions.</param>
    /// <param name="padding">bool [B, S], true where a row has ended, never in a whole row; null when no row is shorter.</param>
    /// <param name="added">float [B, S, d] or what broadcasts to it: embeddings besides the tokens' own; null for none.</param>
    /// <param name="trace">Told the states [B, S, d] after the embeddings and after each layer.</param>
    /// <returns>float [B, S, d]; where a row has ended it holds no meaning.</returns>
    public Tensor Encode(Tensor ids, Tensor? padding, Tensor? added = null, Action<Tensor>? trace = null)
    {
        if (!Packs)
        {
            return _body.Encoder.Forward(Embed(ids, added), Unseen(padding), trace);
        }

        var rows = PackedRows.Of(ids.Size(0), ids.Size(1), padding);
        return rows.Unpack(EncodePacked(rows, ids, added, trace));
    }

    /// <summary>Prepares decoding: nothing of the encoder is computed again afterwards.</summary>
    /// <param name="encoded">float [B, S, d] of <see cref="Encode"/>.</param>
    /// <param name="padding">As there.</param>
    /// <returns>The caller's.</returns>
    public BartCache Remember(Tensor encoded, Tensor? padding) => Packs
        ? RememberPacked(encoded, padding)
        : new BartCache(_body.Decoder.Layers.Select(layer => layer.Remember(encoded)), Unseen(padding), null);

    /// <summary>States of tokens, each of which sees itself, those before it and the inputs.</summary>
    /// <param name="ids">
    /// int64 [R, T]: the next T tokens of every row. R is a multiple of the inputs' B and the rows of an input stand together; a cache that
    /// has read tokens keeps its R, and T is 1 then. All rows together read at most MaxPositions tokens.
    /// </param>
    /// <param name="cache">Of <see cref="Remember"/>; the tokens are added to it.</param>
    /// <param name="added">float [R, T, d] or what broadcasts to it, as for <see cref="Encode"/>.</param>
    /// <param name="trace">Told the states [R, T, d] after the embeddings and after each layer.</param>
    /// <returns>float [R, T, d].</returns>
    public Tensor Decode(Tensor ids, BartCache cache, Tensor? added = null, Action<Tensor>? trace = null) =>
        _body.Decoder.Forward(Embed(ids, added), cache, trace);

    /// <summary>How likely each token comes next, not normalised.</summary>
    /// <param name="hidden">float [..., d] of <see cref="Decode"/>.</param>
    /// <returns>float [..., Vocabulary].</returns>
    public Tensor Logits(Tensor hidden) => Functional.Linear(hidden, _head?.Weight ?? _body.Tokens.Weight, _logitsBias.Select(0, 0));

    /// <summary>Mean cross-entropy of the labels, each predicted from the inputs and the labels before it.</summary>
    /// <param name="ids">int64 [B, S].</param>
    /// <param name="padding">bool [B, S], or null.</param>
    /// <param name="labels">int64 [B, T], T at most MaxPositions; -100 = no label. At least one is one.</param>
    /// <param name="added">float [B, S, d] or what broadcasts to it: embeddings besides the input tokens' own; null for none.</param>
    /// <param name="smoothing">Share of each label that is spread over all tokens, in [0, 1].</param>
    /// <returns>float [], with its history.</returns>
    public Tensor Loss(Tensor ids, Tensor? padding, Tensor labels, Tensor? added = null, double smoothing = 0)
    {
        if (Packs)
        {
            return LossPacked(ids, padding, labels, added);
        }

        using var cache = Remember(Encode(ids, padding, added), padding);
        var hidden = Decode(ShiftRight(labels), cache);                                             // [B, T, d]
        // The head is the dearest product of a small model: only where there is something to predict.
        var predicted = labels.Ne(Ignored);
        return Functional.CrossEntropy(Logits(hidden[predicted]), labels[predicted], labelSmoothing: smoothing);
    }

    // For all heads and queries: bool [B, 1, 1, S].
    private static Tensor? Unseen(Tensor? padding) => padding?.Unsqueeze(1).Unsqueeze(1);

    // What the decoder reads while it writes the labels.
    private Tensor ShiftRight(Tensor labels)
    {
        var start = Tensor.Full([labels.Size(0), 1], Config.DecoderStart, ScalarType.Int64, labels.Device);
        var before = labels.Narrow(1, 0, labels.Size(1) - 1);
        return Tensor.Cat([start, before.MaskedFill(before.Eq(Ignored), Config.Pad)], 1);
    }

    private Tensor Embed(Tensor ids, Tensor? added)
    {
        var x = _body.Tokens.Forward(ids);
        x = Config.ScaleEmbedding ? x * Math.Sqrt(Config.Hidden) : x;
        return added is null ? x : x + added;
    }

    /// <summary>Everything but the head.</summary>
    private sealed class Body : Module
    {
        public Body(BartConfig config)
        {
            Tokens = RegisterModule("shared", new Embedding(config.Vocabulary, config.Hidden));
            Encoder = RegisterModule("encoder", new EncoderStack(config));
            Decoder = RegisterModule("decoder", new DecoderStack(config));
        }

        public Embedding Tokens { get; }

        public EncoderStack Encoder { get; }

        public DecoderStack Decoder { get; }
    }

    /// <summary>What encoder and decoder begin with: positions, norm, dropout.</summary>
    private abstract partial class Stack : Module
    {
        private readonly int _maxPositions;
        private readonly double _layerDrop;
        private readonly Embedding _positions;
        private readonly LayerNorm _embeddingNorm;
        private readonly Dropout _dropout;

        protected Stack(BartConfig config, double layerDrop)
        {
            _maxPositions = config.MaxPositions;
            _layerDrop = layerDrop;
            _positions = RegisterModule("embed_positions", new Embedding(config.MaxPositions + PositionOffset, config.Hidden));
            _embeddingNorm = RegisterModule("layernorm_embedding", new LayerNorm(config.Hidden));
            _dropout = RegisterModule("dropout", new Dropout(config.Dropout));
        }

        protected Tensor Begin(Tensor embedded, long first)
        {
            var T = embedded.Size(1);
            CheckLength(first + T);
            return _dropout.Forward(_embeddingNorm.Forward(embedded + _positions.Weight.Narrow(0, first + PositionOffset, T)));
        }

        private void CheckLength(long tokens)
        {
            if (tokens > _maxPositions)
            {
                throw new ArgumentException($"A row has {tokens} tokens; the model reads at most {_maxPositions}. Shorten it.");
            }
        }

        // Fan et al. 2020, arXiv 1909.11556: while training a layer is left out as a whole.
        protected bool IsDropped()
        {
            if (!Training || _layerDrop == 0)
            {
                return false;
            }

            using var draw = Tensor.Rand([]);
            return draw.Item<float>() < _layerDrop;
        }
    }

    private sealed partial class EncoderStack : Stack
    {
        private readonly ModuleList<EncoderLayer> _layers;

        public EncoderStack(BartConfig config) : base(config, config.EncoderLayerDrop) =>
            _layers = RegisterModule(
                "layers", new ModuleList<EncoderLayer>(Enumerable.Range(0, config.EncoderLayers).Select(_ => new EncoderLayer(config))));

        /// <param name="embedded">float [B, S, d].</param>
        /// <param name="hidden">bool [B, 1, 1, S], true where a key must not be seen; or null.</param>
        /// <param name="trace">As for <see cref="Encode"/>.</param>
        public Tensor Forward(Tensor embedded, Tensor? hidden, Action<Tensor>? trace)
        {
            var x = Begin(embedded, 0);
            trace?.Invoke(x);
            foreach (var layer in _layers)
            {
                x = IsDropped() ? x : layer.Forward(x, hidden);
                trace?.Invoke(x);
            }

            return x;
        }
    }

    private sealed partial class DecoderStack : Stack
    {
        public DecoderStack(BartConfig config) : base(config, config.DecoderLayerDrop) =>
            Layers = RegisterModule(
                "layers", new ModuleList<DecoderLayer>(Enumerable.Range(0, config.DecoderLayers).Select(_ => new DecoderLayer(config))));

        public ModuleList<DecoderLayer> Layers { get; }

        /// <param name="embedded">float [R, T, d].</param>
        /// <param name="cache">As for <see cref="Decode"/>.</param>
        /// <param name="trace">As there.</param>
        public Tensor Forward(Tensor embedded, BartCache cache, Action<Tensor>? trace)
        {
            var T = embedded.Size(1);
            if (T > 1 && cache.Length > 0)
            {
                throw new ArgumentException($"{T} tokens follow {cache.Length} that were read; one at a time can.", nameof(embedded));
            }

            var x = Begin(embedded, cache.Length);
            trace?.Invoke(x);
            // A single token is the newest: nothing lies in its future.
            var future = T == 1 ? null : Tensor.Ones([T, T], ScalarType.Bool, x.Device).Triu(1);
            if (cache.Offsets is not null)
            {
                return ForwardFused(x, future, cache, trace);
            }

            for (var i = 0; i < Layers.Count; i++)
            {
                x = IsDropped() ? x : Layers[i].Forward(x, i, future, cache);
                trace?.Invoke(x);
            }

            cache.Advance(T);
            return x;
        }
    }

    /// <summary>What both kinds of layers have: attention among their own tokens, and the feed-forward part.</summary>
    private abstract partial class Layer : Module
    {
        private readonly Attention _attention;
        private readonly LayerNorm _attentionNorm;
        private readonly Linear _up;
        private readonly Linear _down;
        private readonly LayerNorm _finalNorm;
        private readonly Dropout _dropout;
        private readonly Dropout _activationDropout;
        private readonly BartActivation _activation;

        protected Layer(BartConfig config, int heads, int feedForward)
        {
            _attention = RegisterModule("self_attn", new Attention(config, heads));
            _attentionNorm = RegisterModule("self_attn_layer_norm", new LayerNorm(config.Hidden));
            _up = RegisterModule("fc1", new Linear(config.Hidden, feedForward));
            _down = RegisterModule("fc2", new Linear(feedForward, config.Hidden));
            _finalNorm = RegisterModule("final_layer_norm", new LayerNorm(config.Hidden));
            _dropout = RegisterModule("dropout", new Dropout(config.Dropout));
            _activationDropout = RegisterModule("activation_dropout", new Dropout(config.ActivationDropout));
            _activation = config.Activation;
        }

        protected (Tensor Keys, Tensor Values) KeysAndValues(Tensor x, long rows) => _attention.KeysAndValues(x, rows);

        protected Tensor AttendOwn(Tensor x, (Tensor Keys, Tensor Values) seen, Tensor? hidden) =>
            _attentionNorm.Forward(x + _dropout.Forward(_attention.Forward(x, seen, hidden)));

        protected Tensor FeedForward(Tensor x) => _finalNorm.Forward(x + _dropout.Forward(Inner(x)));

        private Tensor Inner(Tensor x)
        {
            var inner = _up.Forward(x);
            inner = _activation switch
            {
                BartActivation.Gelu => inner.Gelu(),
                BartActivation.GeluNew => inner.Gelu(tanh: true),
                BartActivation.Relu => inner.Relu(),
                _ => inner.Silu(),
            };
            return _down.Forward(_activationDropout.Forward(inner));
        }
    }

    private sealed partial class EncoderLayer(BartConfig config) : Layer(config, config.EncoderHeads, config.EncoderFeedForward)
    {
        public Tensor Forward(Tensor x, Tensor? hidden) => FeedForward(AttendOwn(x, KeysAndValues(x, x.Size(0)), hidden));
    }

    private sealed partial class DecoderLayer : Layer
    {
        private readonly Attention _inputAttention;
        private readonly LayerNorm _inputNorm;
        private readonly Dropout _dropout;

        public DecoderLayer(BartConfig config) : base(config, config.DecoderHeads, config.DecoderFeedForward)
        {
            _inputAttention = RegisterModule("encoder_attn", new Attention(config, config.DecoderHeads));
            _inputNorm = RegisterModule("encoder_attn_layer_norm", new LayerNorm(config.Hidden));
            _dropout = RegisterModule("input_dropout", new Dropout(config.Dropout));
        }

        /// <summary>Keys and values of the encoder's states.</summary>
        public (Tensor Keys, Tensor Values) Remember(Tensor encoded) => _inputAttention.KeysAndValues(encoded, encoded.Size(0));

        /// <param name="x">float [R, T, d].</param>
        /// <param name="layer">This layer's place in the cache.</param>
        /// <param name="future">bool [T, T], true where a token must not be seen; null when T is 1.</param>
        /// <param name="cache">Receives the tokens.</param>
        public Tensor Forward(Tensor x, int layer, Tensor? future, BartCache cache)
        {
            x = AttendOwn(x, cache.Append(layer, KeysAndValues(x, x.Size(0))), future);
            return FeedForward(_inputNorm.Forward(x + _dropout.Forward(_inputAttention.Forward(x, cache.Inputs(layer), cache.Padding))));
        }
    }

    /// <summary>Softmax attention with several heads (Vaswani et al. 2017, arXiv 1706.03762).</summary>
    private sealed partial class Attention : Module
    {
        private readonly int _heads;
        private readonly Linear _query;
        private readonly Linear _key;
        private readonly Linear _value;
        private readonly Linear _out;
        private readonly Dropout _dropout;

        public Attention(BartConfig config, int heads)
        {
            _heads = heads;
            _query = RegisterModule("q_proj", new Linear(config.Hidden, config.Hidden));
            _key = RegisterModule("k_proj", new Linear(config.Hidden, config.Hidden));
            _value = RegisterModule("v_proj", new Linear(config.Hidden, config.Hidden));
            _out = RegisterModule("out_proj", new Linear(config.Hidden, config.Hidden));
            _dropout = RegisterModule("dropout", new Dropout(config.AttentionDropout));
        }

        /// <param name="x">float [B, S, d], or [B · S, d].</param>
        /// <param name="rows">B.</param>
        /// <returns>float [B, heads, S, d/heads] twice.</returns>
        public (Tensor Keys, Tensor Values) KeysAndValues(Tensor x, long rows) =>
            (Split(_key.Forward(x), rows), Split(_value.Forward(x), rows));

        /// <param name="x">float [R, T, d], R a multiple of the keys' B, or [R · T, d].</param>
        /// <param name="seen">float [B, heads, S, d/heads] twice.</param>
        /// <param name="hidden">bool, broadcast to [B, heads, R/B · T, S], true where a key must not be seen, never for all of them; or null.</param>
        /// <returns>Of the shape of <paramref name="x"/>.</returns>
        public Tensor Forward(Tensor x, (Tensor Keys, Tensor Values) seen, Tensor? hidden)
        {
            var q = Split(_query.Forward(x), seen.Keys.Size(0));                                    // [B, heads, R/B · T, d/heads]
            var scores = q.MatMul(seen.Keys.T) * (1 / Math.Sqrt(q.Size(-1)));                       // [B, heads, R/B · T, S]
            scores = hidden is null ? scores : scores.MaskedFill(hidden, double.NegativeInfinity);
            var context = _dropout.Forward(scores.Softmax(-1)).MatMul(seen.Values);
            return _out.Forward(context.Transpose(1, 2).Reshape(x.Shape));
        }

        // Rows of one input become one longer row: attention to what they share is then one product and needs no copies.
        private Tensor Split(Tensor x, long inputs) =>
            x.View(inputs, -1, _heads, x.Size(-1) / _heads).Transpose(1, 2);
    }
}

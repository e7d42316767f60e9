using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

// RecGPT: Generative Personalized Prompts for Sequential Recommendation via ChatGPT Training Paradigm,
// Zhang et al. 2024, arXiv 2404.08675. An item is a token; a decoder predicts the next item from the sequence so far.
//
// Departs: ordinary causal softmax attention with a key-padding mask by default (what the paper draws; the released numbers come from
//          causal flow attention, RecGptNetwork.CausalFlow.cs); the output head is the item table unless TiedHead is off (the separate head gets
//          no gradient in stage 1). What only the released code does is behind RecGptLegacy.
// Departs: of a history that is longer than the model reads a pass learns one piece, and all pieces in time (the released code its newest).
// Departs: a cold-user row, trained by replacing a user's row at random, answers for users that training has not seen.

/// <summary>Which attention a block computes.</summary>
public enum RecGptAttentionKind
{
    /// <summary>Softmax of scaled inner products: what the paper draws.</summary>
    Softmax,

    /// <summary>Causal flow attention, linear in the length: what the authors' code computes.</summary>
    CausalFlow,
}

/// <summary>Everything that fixes the shapes and the mathematics of a RecGPT model.</summary>
public sealed record RecGptConfig
{
    /// <summary>Width d of all vectors, 8 to 4096, a multiple of <see cref="Heads"/>.</summary>
    public int Hidden { get; init; } = 64;

    /// <summary>Decoder blocks, 1 to 64.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Attention heads, 1 to 64.</summary>
    public int Heads { get; init; } = 2;

    /// <summary>Width of the feed-forward layer, 8 to 16384.</summary>
    public int FeedForward { get; init; } = 256;

    /// <summary>Newest items that the model reads, 2 to 4096.</summary>
    public int MaxLength { get; init; } = 50;

    /// <summary>Dropout after attention and feed-forward, in [0, 1).</summary>
    public double Dropout { get; init; } = 0.2;

    /// <summary>Dropout of the sum of embeddings, in [0, 1); null = <see cref="Dropout"/>. The authors' code has none.</summary>
    public double? EmbeddingDropout { get; init; }

    /// <summary>Dropout of softmax attention's weights, in [0, 1).</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Share of training sequences whose user row is replaced by the cold-user row, in [0, 1].</summary>
    public double UserDropout { get; init; } = 0.1;

    /// <summary>Attention of every block.</summary>
    public RecGptAttentionKind Attention { get; init; } = RecGptAttentionKind.Softmax;

    /// <summary>Normalise before attention and feed-forward instead of after each sum, with one more norm at the end.</summary>
    public bool PreNorm { get; init; }

    /// <summary>Normalise the sum of embeddings before its dropout, as SASRec's descendants do; the paper does not.</summary>
    public bool EmbeddingNorm { get; init; }

    /// <summary>Whether a user's row is added to every slot; without it the model knows windows only.</summary>
    public bool UserEmbedding { get; init; } = true;

    /// <summary>
    /// Whether the item table is the output head. False gives the authors' head, a matrix and a bias of its own: stage 1 never trains it,
    /// so until stage 2 its prompts and second recall steps are noise; lists are ranked with the item table all the same.
    /// </summary>
    public bool TiedHead { get; init; } = true;

    /// <summary>Networks of this shape that are trained apart and answer together, 1 to 8: <see cref="RecGptEnsemble"/>.</summary>
    public int Members { get; init; } = 1;

    /// <summary>Oddities of the authors' code.</summary>
    public RecGptLegacy Legacy { get; init; } = new();
}

/// <summary>What the authors' released code does and the paper does not say. All off by default; on, it computes their numbers.</summary>
public sealed record RecGptLegacy
{
    /// <summary>Windows are padded to the model's length; padding takes part in flow attention and stands at position 0.</summary>
    public bool PaddedWindows { get; init; }

    /// <summary>
    /// Prompts are generated from a window in which the answer can be seen: for tail replacement the items still to come stand at its
    /// front; for interleaving the answers are pushed as inputs, which loses the first item and prompts the padding too.
    /// </summary>
    public bool LeakyPrompts { get; init; }

    /// <summary>Prompts that are set into windows at recall, too.</summary>
    public RecGptRecallPrompts RecallPrompts { get; init; } = RecGptRecallPrompts.None;

    /// <summary>Prompts for each place of <see cref="RecallPrompts"/>, 1 to 6.</summary>
    public int RecallPromptCount { get; init; } = 1;

    /// <summary>Masked items get score 0 instead of being left out: where all other scores are negative they come first.</summary>
    public bool ZeroSuppression { get; init; }
}

/// <summary>Where the released code sets prompts at recall; its own default is nowhere.</summary>
public enum RecGptRecallPrompts
{
    /// <summary>Nowhere.</summary>
    None,

    /// <summary>Before the last item, generated with that item at the front of the window.</summary>
    BeforeLast,

    /// <summary>Before every slot of the window, padding too.</summary>
    BeforeEach,
}

/// <summary>The network: embeddings, decoder blocks, item table as output head.</summary>
/// <remarks>
/// Row 0 of the item table is padding, row 0 of the user table is the cold user. Parameter names are part of the checkpoint format;
/// they are those of the paper's code without its leading <c>decoder.</c>.
/// </remarks>
internal sealed partial class RecGptNetwork : Module
{
    private readonly RecGptConfig _config;
    private readonly Embedding _items;
    private readonly Embedding? _users;
    private readonly Embedding _positions;
    private readonly Embedding _segments;
    private readonly Dropout _dropout;
    private readonly ModuleList<Block> _blocks;
    private readonly LayerNorm? _embeddingNorm;
    private readonly LayerNorm? _norm;

    /// <param name="config">Shapes.</param>
    /// <param name="itemRows">Items and padding.</param>
    /// <param name="userRows">Users and the cold user.</param>
    public RecGptNetwork(RecGptConfig config, long itemRows, long userRows)
    {
        _config = config;
        _items = RegisterModule("item_embeddings", new Embedding(itemRows, config.Hidden));
        _users = config.UserEmbedding ? RegisterModule("user_embeddings", new Embedding(userRows, config.Hidden)) : null;
        _positions = RegisterModule("position_embeddings", new Embedding(config.MaxLength, config.Hidden));
        _segments = RegisterModule("segment_embeddings", new Embedding(2, config.Hidden));
        _dropout = RegisterModule("dropout", new Dropout(config.EmbeddingDropout ?? config.Dropout));
        _blocks = RegisterModule("layers", new ModuleList<Block>(Enumerable.Range(0, config.Layers).Select(_ => new Block(config))));
        _embeddingNorm = config.EmbeddingNorm ? RegisterModule("embedding_norm", new LayerNorm(config.Hidden)) : null;
        _norm = config.PreNorm ? RegisterModule("final_norm", new LayerNorm(config.Hidden)) : null;
        Head = config.TiedHead ? null : RegisterModule("output_layer", new Linear(config.Hidden, itemRows));

        using var noGrad = NoGrad.Enter();
        foreach (var table in new[] { _items.Weight, _users?.Weight, _positions.Weight, _segments.Weight, Head?.Weight })
        {
            table?.Normal_(0, 0.02);
        }
    }

    /// <summary>The item table, [itemRows, d].</summary>
    public Tensor ItemTable => _items.Weight;

    /// <summary>The user table, [userRows, d]; null without one.</summary>
    public Tensor? UserTable => _users?.Weight;

    /// <summary>Whether <see cref="ForwardPacked"/> computes what <see cref="Forward"/> does: not where padding takes part.</summary>
    public bool Packs => _config.Attention == RecGptAttentionKind.Softmax && _config.Legacy is { PaddedWindows: false, LeakyPrompts: false };

    /// <summary>The authors' head; null when the item table is the head.</summary>
    public Linear? Head { get; }

    /// <summary>Hidden states of every slot.</summary>
    /// <param name="items">int64 [B, T], T at most MaxLength, item rows with the newest in the last slot, 0 = padding on the left.</param>
    /// <param name="users">int64 [B], user rows.</param>
    /// <param name="segments">int64 [B, T], 0 = behaviour, 1 = prompt; null when all are 0.</param>
    /// <returns>float [B, T, d]; slots of padding hold no meaning.</returns>
    public Tensor Forward(Tensor items, Tensor users, Tensor? segments = null) => Run(items, users, segments, lastOnly: false);

    /// <summary>Hidden state of the newest slot, float [B, d]: the last block computes one query a sequence. Arguments as for <see cref="Forward"/>.</summary>
    public Tensor ForwardLast(Tensor items, Tensor users, Tensor? segments = null) =>
        Run(items, users, segments, lastOnly: true).Select(1, 0);

    /// <summary>How likely each item row comes next, float [..., itemRows], not normalised: what stage 2 trains and prompts are drawn from.</summary>
    /// <param name="hidden">float [..., d].</param>
    public Tensor Logits(Tensor hidden) => Head is null ? hidden.MatMul(ItemTable.T) : Head.Forward(hidden);

    /// <summary>Hidden states of sequences without padding, for training on the CPU: what <see cref="Forward"/> gives, with dropout of its own.</summary>
    /// <param name="batch">The sequences.</param>
    /// <param name="random">Seeds of the dropout.</param>
    /// <param name="embedded">The sum of embeddings: after the backward pass its gradient goes to <see cref="BackwardEmbeddings"/>.</param>
    /// <returns>float [M, d]: the slots that predict something.</returns>
    public Tensor ForwardPacked(PackedSequences batch, Random random, out Tensor embedded)
    {
        var x = embedded = Packed.EmbeddingSum(Tables, batch.Indices, SumDropout, batch.Seed);
        embedded.RequiresGrad = true;
        if (_embeddingNorm is not null)
        {
            x = _dropout.Forward(_embeddingNorm.Forward(x));
        }

        for (var i = 0; i < _blocks.Count; i++)
        {
            x = _blocks[i].ForwardPacked(x, batch, i == _blocks.Count - 1, random);
        }

        return _norm is null ? x : _norm.Forward(x);
    }

    /// <summary>Carries the gradient of <see cref="ForwardPacked"/>'s embeddings into the tables.</summary>
    public void BackwardEmbeddings(PackedSequences batch, Tensor embedded) => Packed.EmbeddingSumBackward(
        Tables, batch.Indices, embedded.Grad!, SumDropout, batch.Seed);

    /// <summary>Drops the gradient of the padding row, which takes part in the sums of padded windows and is to stay as it is.</summary>
    public void FreezePadding()
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        ItemTable.Grad?.Select(0, 0).Zero_();
    }

    // Dropped within the sum, where no norm comes between.
    private double SumDropout => Training && _embeddingNorm is null ? _config.EmbeddingDropout ?? _config.Dropout : 0;

    // In the order of PackedSequences.Indices.
    private Tensor[] Tables =>
        _users is null ? [_items.Weight, _positions.Weight, _segments.Weight] : [_items.Weight, _positions.Weight, _segments.Weight, _users.Weight];

    private Tensor Run(Tensor items, Tensor users, Tensor? segments, bool lastOnly)
    {
        var x = Embed(items, users, segments);                                                   // [B, T, d]
        x = _dropout.Forward(_embeddingNorm is null ? x : _embeddingNorm.Forward(x));
        var mask = _blocks[0].Mask(items);
        for (var i = 0; i < _blocks.Count; i++)
        {
            x = _blocks[i].Forward(x, mask, lastOnly && i == _blocks.Count - 1);
        }

        return _norm is null ? x : _norm.Forward(x);
    }

    private Tensor Embed(Tensor items, Tensor users, Tensor? segments)
    {
        var T = items.Size(1);
        var x = _items.Forward(items);                                                           // [B, T, d]
        if (_users is not null)
        {
            x += _users.Forward(users).Unsqueeze(1);
        }

        // The newest item always sits in the last position, however many slots the batch has.
        x += _config.Legacy.PaddedWindows
            ? _positions.Forward(Tensor.Arange(_config.MaxLength - T, _config.MaxLength, 1, device: items.Device) * items.Ne(0))
            : _positions.Weight.Narrow(0, _config.MaxLength - T, T);                             // [T, d]
        return x + (segments is null ? _segments.Weight.Select(0, 0) : _segments.Forward(segments));
    }

    /// <summary>One decoder block.</summary>
    private sealed class Block : Module
    {
        private readonly bool _preNorm;
        private readonly Attention _attention;
        private readonly FeedForward _feedForward;
        private readonly LayerNorm _norm1;
        private readonly LayerNorm _norm2;
        private readonly Dropout _dropout;
        private readonly double _residualDropout;

        public Block(RecGptConfig config)
        {
            _residualDropout = config.Dropout;
            _preNorm = config.PreNorm;
            _attention = RegisterModule<Attention>("mha", config.Attention switch
            {
                RecGptAttentionKind.CausalFlow => new CausalFlowAttention(config),
                _ => new SoftmaxAttention(config),
            });
            _feedForward = RegisterModule("ffn", new FeedForward(config));
            _norm1 = RegisterModule("layernorm1", new LayerNorm(config.Hidden));
            _norm2 = RegisterModule("layernorm2", new LayerNorm(config.Hidden));
            _dropout = RegisterModule("dropout", new Dropout(config.Dropout));
        }

        /// <inheritdoc cref="Attention.Mask"/>
        public Tensor Mask(Tensor items) => _attention.Mask(items);

        /// <param name="x">float [B, T, d].</param>
        /// <param name="mask">From <see cref="Mask"/>.</param>
        /// <param name="lastOnly">Compute only the last slot: the result is [B, 1, d].</param>
        public Tensor Forward(Tensor x, Tensor mask, bool lastOnly)
        {
            var keys = _preNorm ? _norm1.Forward(x) : x;
            var (query, sum) = lastOnly ? (Last(keys), Last(x)) : (keys, x);
            sum += _dropout.Forward(_attention.Forward(query, keys, mask));
            if (_preNorm)
            {
                return sum + _dropout.Forward(_feedForward.Forward(_norm2.Forward(sum)));
            }

            var y = _norm1.Forward(sum);
            return _norm2.Forward(y + _dropout.Forward(_feedForward.Forward(y)));
        }

        /// <param name="x">float [N, d].</param>
        /// <param name="batch">Whose slots these are.</param>
        /// <param name="predictedOnly">Compute only the slots that predict something; the others are still seen by those after them.</param>
        /// <param name="random">Seeds of the dropout.</param>
        /// <returns>float [M, d].</returns>
        public Tensor ForwardPacked(Tensor x, PackedSequences batch, bool predictedOnly, Random random)
        {
            var keys = _preNorm ? _norm1.Forward(x) : x;
            var some = predictedOnly && batch.Predicted.Size(0) < batch.Slots.Size(0);
            var (slots, queries) = some ? (batch.Predicted, keys.IndexSelect(0, batch.Predicted)) : (batch.Slots, keys);
            var attended = _attention.ForwardPacked(queries, keys, batch.Offsets, slots, random);
            x = !some ? x : _preNorm ? x.IndexSelect(0, slots) : queries;
            if (_preNorm)
            {
                var sum = x + _dropout.Forward(attended);
                return sum + _dropout.Forward(_feedForward.Forward(_norm2.Forward(sum)));
            }

            // Without dropout outside training, as the modules have it.
            var p = Training ? _residualDropout : 0;
            var y = Packed.ResidualNorm(x, attended, _norm1, p, random.NextInt64());
            return Packed.ResidualNorm(y, _feedForward.Forward(y), _norm2, p, random.NextInt64());
        }

        private static Tensor Last(Tensor x) => x.Narrow(1, x.Size(1) - 1, 1);
    }

    /// <summary>What both kinds of attention share: projections and heads.</summary>
    private abstract class Attention : Module
    {
        private readonly int _heads;
        private readonly double _weightDropout;
        private readonly Linear _query;
        private readonly Linear _key;
        private readonly Linear _value;
        private readonly Linear _out;

        protected Attention(RecGptConfig config)
        {
            _heads = config.Heads;
            _weightDropout = config.AttentionDropout;
            _query = RegisterModule("query_projection", new Linear(config.Hidden, config.Hidden));
            _key = RegisterModule("key_projection", new Linear(config.Hidden, config.Hidden));
            _value = RegisterModule("value_projection", new Linear(config.Hidden, config.Hidden));
            _out = RegisterModule("out_projection", new Linear(config.Hidden, config.Hidden));
        }

        /// <summary>What takes part, made once for all blocks; its form is the attention's own.</summary>
        /// <param name="items">int64 [B, T], 0 = padding.</param>
        public abstract Tensor Mask(Tensor items);

        /// <param name="query">float [B, Q, d]: the last Q slots of <paramref name="x"/>.</param>
        /// <param name="x">float [B, T, d].</param>
        /// <param name="mask">From <see cref="Mask"/>.</param>
        /// <returns>float [B, Q, d].</returns>
        public Tensor Forward(Tensor query, Tensor x, Tensor mask) =>
            _out.Forward(Context(query, x, mask).Transpose(1, 2).Reshape(query.Shape));

        /// <summary>Softmax attention of sequences without padding: see <see cref="Packs"/>.</summary>
        /// <param name="query">float [M, d].</param>
        /// <param name="x">float [N, d].</param>
        /// <param name="offsets">int64 [B + 1].</param>
        /// <param name="slots">int64 [M]: where the queries stand.</param>
        /// <param name="random">Seeds of the dropout.</param>
        /// <returns>float [M, d].</returns>
        public Tensor ForwardPacked(Tensor query, Tensor x, Tensor offsets, Tensor slots, Random random) => _out.Forward(Packed.Attention(
            _query.Forward(query), _key.Forward(x), _value.Forward(x), offsets, slots, _heads, Training ? _weightDropout : 0, random.NextInt64()));

        /// <summary>float [B, heads, Q, d/heads]; arguments as for <see cref="Forward"/>.</summary>
        protected abstract Tensor Context(Tensor query, Tensor x, Tensor mask);

        protected Tensor Queries(Tensor x) => Split(_query.Forward(x));

        protected Tensor Keys(Tensor x) => Split(_key.Forward(x));

        protected Tensor Values(Tensor x) => Split(_value.Forward(x));

        private Tensor Split(Tensor x) =>
            x.View(x.Size(0), x.Size(1), _heads, x.Size(2) / _heads).Transpose(1, 2);
    }

    private sealed class SoftmaxAttention(RecGptConfig config) : Attention(config)
    {
        private readonly bool _paddedWindows = config.Legacy.PaddedWindows;
        private readonly double _dropout = config.AttentionDropout;

        /// <summary>bool [B, 1, T, T]: true where a key must not be seen.</summary>
        public override Tensor Mask(Tensor items)
        {
            var (B, T) = (items.Size(0), items.Size(1));
            var future = Tensor.Ones([T, T], dtype: ScalarType.Bool, device: items.Device).Triu(1);
            return items.Eq(0).View(B, 1, 1, T).LogicalOr(future);
        }

        protected override Tensor Context(Tensor query, Tensor x, Tensor mask)
        {
            var (Q, T) = (query.Size(1), x.Size(1));
            var (q, k, v) = (Queries(query), Keys(x), Values(x));
            var hidden = mask.Narrow(2, T - Q, Q);                                                // [B, 1, Q, T]
            var scores = q.MatMul(k.Transpose(-1, -2)) * (1 / Math.Sqrt(q.Size(-1)));          // [B, heads, Q, T]
            // A finite low value instead of -inf: a padded slot sees no key at all, and its softmax must not become NaN.
            var weights = scores.MaskedFill(hidden, -1e9).Softmax(-1);
            // Where padding stands between items, a slot that sees nothing counts: its context is zero.
            weights = _paddedWindows ? weights.MaskedFill(hidden, 0) : weights;
            return (Training && _dropout > 0 ? Functional.Dropout(weights, _dropout, training: true) : weights).MatMul(v);
        }
    }

    private sealed class FeedForward : Module
    {
        private readonly Linear _up;
        private readonly Linear _down;

        public FeedForward(RecGptConfig config)
        {
            _up = RegisterModule("linear1", new Linear(config.Hidden, config.FeedForward));
            _down = RegisterModule("linear2", new Linear(config.FeedForward, config.Hidden));
            using var noGrad = NoGrad.Enter();
            _up.Weight.Normal_(0, 0.02);
            _down.Weight.Normal_(0, 0.02);
        }

        public Tensor Forward(Tensor x) => _down.Forward(_up.Forward(x).Gelu());
    }
}

using StreamRec.Torch;

namespace StreamRec.Models;

// RecGPT: Generative Personalized Prompts for Sequential Recommendation via ChatGPT Training Paradigm,
// Zhang et al. 2024, arXiv 2404.08675. An item is a token; a decoder predicts the next item from the sequence so far.
//
// Departs: ordinary causal softmax attention with a key-padding mask (what the paper draws; the released numbers come from causal
//          flow attention); the output head is the item table (the paper's separate head gets no gradient in stage 1).
// Departs: a cold-user row, trained by replacing a user's row at random, answers for users that training has not seen.

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

    /// <summary>Dropout after attention, feed-forward and the sum of embeddings, in [0, 1).</summary>
    public double Dropout { get; init; } = 0.2;

    /// <summary>Dropout of attention weights, in [0, 1).</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Share of training sequences whose user row is replaced by the cold-user row, in [0, 1].</summary>
    public double UserDropout { get; init; } = 0.1;
}

/// <summary>The network: embeddings, decoder blocks, item table as output head.</summary>
/// <remarks>
/// Row 0 of the item table is padding, row 0 of the user table is the cold user. Parameter names are part of the checkpoint format;
/// they are those of the paper's code without its leading <c>decoder.</c>.
/// </remarks>
internal sealed class RecGpt : Module
{
    private readonly RecGptConfig _config;
    private readonly Embedding _items;
    private readonly Embedding _users;
    private readonly Embedding _positions;
    private readonly Embedding _segments;
    private readonly Dropout _dropout;
    private readonly ModuleList<Block> _blocks;

    /// <param name="config">Shapes.</param>
    /// <param name="itemRows">Items and padding.</param>
    /// <param name="userRows">Users and the cold user.</param>
    public RecGpt(RecGptConfig config, long itemRows, long userRows)
    {
        _config = config;
        _items = RegisterModule("item_embeddings", new Embedding(itemRows, config.Hidden));
        _users = RegisterModule("user_embeddings", new Embedding(userRows, config.Hidden));
        _positions = RegisterModule("position_embeddings", new Embedding(config.MaxLength, config.Hidden));
        _segments = RegisterModule("segment_embeddings", new Embedding(2, config.Hidden));
        _dropout = RegisterModule("dropout", new Dropout(config.Dropout));
        _blocks = RegisterModule("layers", new ModuleList<Block>(Enumerable.Range(0, config.Layers).Select(_ => new Block(config))));

        using var noGrad = NoGrad.Enter();
        foreach (var table in new[] { _items, _users, _positions, _segments })
        {
            table.Weight.Normal_(0, 0.02);
        }
    }

    /// <summary>The item table, [itemRows, d]; also the output head.</summary>
    public Tensor ItemTable => _items.Weight;

    /// <summary>The user table, [userRows, d].</summary>
    public Tensor UserTable => _users.Weight;

    /// <summary>Hidden states of every slot.</summary>
    /// <param name="items">int64 [B, T], T at most MaxLength, item rows with the newest in the last slot, 0 = padding on the left.</param>
    /// <param name="users">int64 [B], user rows.</param>
    /// <param name="segments">int64 [B, T], 0 = behaviour, 1 = prompt; null when all are 0.</param>
    /// <returns>float [B, T, d]; slots of padding hold no meaning.</returns>
    public Tensor Forward(Tensor items, Tensor users, Tensor? segments = null) => Run(items, users, segments, lastOnly: false);

    /// <summary>Hidden state of the newest slot, float [B, d]: the last block computes one query a sequence.</summary>
    public Tensor ForwardLast(Tensor items, Tensor users) =>
        Run(items, users, null, lastOnly: true).Select(1, 0);

    /// <summary>Hidden states of sequences without padding, for training on the CPU: what <see cref="Forward"/> gives, with dropout of its own.</summary>
    /// <param name="batch">The sequences.</param>
    /// <param name="random">Seeds of the dropout.</param>
    /// <param name="embedded">The sum of embeddings: after the backward pass its gradient goes to <see cref="BackwardEmbeddings"/>.</param>
    /// <returns>float [N, d].</returns>
    public Tensor ForwardPacked(PackedSequences batch, Random random, out Tensor embedded)
    {
        var x = embedded = Packed.EmbeddingSum(Tables, batch.Indices, _config.Dropout, batch.Seed);
        embedded.RequiresGrad = true;
        foreach (var block in _blocks)
        {
            x = block.ForwardPacked(x, batch.Offsets, random);
        }

        return x;
    }

    /// <summary>Carries the gradient of <see cref="ForwardPacked"/>'s embeddings into the tables.</summary>
    public void BackwardEmbeddings(PackedSequences batch, Tensor embedded) =>
        Packed.EmbeddingSumBackward(Tables, batch.Indices, embedded.Grad!, _config.Dropout, batch.Seed);

    // In the order of PackedSequences.Indices.
    private Tensor[] Tables => [_items.Weight, _users.Weight, _positions.Weight, _segments.Weight];

    private Tensor Run(Tensor items, Tensor users, Tensor? segments, bool lastOnly)
    {
        var (B, T) = (items.Size(0), items.Size(1));
        // The newest item always sits in the last position, however many slots the batch has.
        var positions = _positions.Weight.Narrow(0, _config.MaxLength - T, T);                   // [T, d]
        var x = _items.Forward(items) + _users.Forward(users).Unsqueeze(1) + positions;          // [B, T, d]
        x = segments is null ? x + _segments.Weight.Select(0, 0) : x + _segments.Forward(segments);
        x = _dropout.Forward(x);

        var future = Tensor.Ones([T, T], dtype: ScalarType.Bool, device: items.Device).Triu(1);   // [T, T]
        var padding = items.Eq(0).View(B, 1, 1, T);                                               // [B, 1, 1, T]
        var hidden = padding.LogicalOr(future);                                                   // [B, 1, T, T]
        for (var i = 0; i < _blocks.Count; i++)
        {
            x = _blocks[i].Forward(x, hidden, lastOnly && i == _blocks.Count - 1);
        }

        return x;
    }

    /// <summary>One decoder block, normalised after each residual sum.</summary>
    private sealed class Block : Module
    {
        private readonly Attention _attention;
        private readonly FeedForward _feedForward;
        private readonly LayerNorm _norm1;
        private readonly LayerNorm _norm2;
        private readonly Dropout _dropout;
        private readonly RecGptConfig _config;

        public Block(RecGptConfig config)
        {
            _attention = RegisterModule("mha", new Attention(config));
            _feedForward = RegisterModule("ffn", new FeedForward(config));
            _norm1 = RegisterModule("layernorm1", new LayerNorm(config.Hidden));
            _norm2 = RegisterModule("layernorm2", new LayerNorm(config.Hidden));
            _dropout = RegisterModule("dropout", new Dropout(config.Dropout));
            _config = config;
        }

        /// <param name="x">float [N, d].</param>
        /// <param name="offsets">int64 [B + 1].</param>
        /// <param name="random">Seeds of the dropout.</param>
        public Tensor ForwardPacked(Tensor x, Tensor offsets, Random random)
        {
            var attended = _attention.ForwardPacked(x, offsets, random);
            var y = Packed.ResidualNorm(x, attended, _norm1, _config.Dropout, random.NextInt64());
            return Packed.ResidualNorm(y, _feedForward.Forward(y), _norm2, _config.Dropout, random.NextInt64());
        }

        /// <param name="x">float [B, T, d].</param>
        /// <param name="hidden">bool, broadcast to [B, heads, T, T]: true where a key must not be seen.</param>
        /// <param name="lastOnly">Compute only the last slot: the result is [B, 1, d].</param>
        public Tensor Forward(Tensor x, Tensor hidden, bool lastOnly)
        {
            var query = lastOnly ? x.Narrow(1, x.Size(1) - 1, 1) : x;
            var y = _norm1.Forward(query + _dropout.Forward(_attention.Forward(query, x, hidden)));
            return _norm2.Forward(y + _dropout.Forward(_feedForward.Forward(y)));
        }
    }

    private sealed class Attention : Module
    {
        private readonly int _heads;
        private readonly double _dropout;
        private readonly Linear _query;
        private readonly Linear _key;
        private readonly Linear _value;
        private readonly Linear _out;

        public Attention(RecGptConfig config)
        {
            _heads = config.Heads;
            _dropout = config.AttentionDropout;
            _query = RegisterModule("query_projection", new Linear(config.Hidden, config.Hidden));
            _key = RegisterModule("key_projection", new Linear(config.Hidden, config.Hidden));
            _value = RegisterModule("value_projection", new Linear(config.Hidden, config.Hidden));
            _out = RegisterModule("out_projection", new Linear(config.Hidden, config.Hidden));
        }

        /// <param name="x">float [N, d].</param>
        /// <param name="offsets">int64 [B + 1].</param>
        /// <param name="random">Seeds of the dropout.</param>
        public Tensor ForwardPacked(Tensor x, Tensor offsets, Random random) => _out.Forward(Packed.Attention(
            _query.Forward(x), _key.Forward(x), _value.Forward(x), offsets, _heads, _dropout, random.NextInt64()));

        /// <param name="query">float [B, Q, d]: the last Q slots of <paramref name="x"/>.</param>
        /// <param name="x">float [B, T, d].</param>
        /// <param name="hidden">bool, broadcast to [B, heads, T, T].</param>
        public Tensor Forward(Tensor query, Tensor x, Tensor hidden)
        {
            var (Q, T) = (query.Size(1), x.Size(1));
            var q = Split(_query.Forward(query));                                              // [B, heads, Q, d/heads]
            var k = Split(_key.Forward(x));
            var v = Split(_value.Forward(x));
            var scores = q.MatMul(k.Transpose(-1, -2)) * (1 / Math.Sqrt(q.Size(-1)));          // [B, heads, Q, T]
            // A finite low value instead of -inf: a padded slot sees no key at all, and its softmax must not become NaN.
            var weights = scores.MaskedFill(hidden.Narrow(2, T - Q, Q), -1e9).Softmax(-1);
            var context = weights.MatMul(v).Transpose(1, 2).Reshape(query.Shape);              // [B, Q, d]
            return _out.Forward(context);
        }

        private Tensor Split(Tensor x) =>
            x.View(x.Size(0), x.Size(1), _heads, x.Size(2) / _heads).Transpose(1, 2);
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

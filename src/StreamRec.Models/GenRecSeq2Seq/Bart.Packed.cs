using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>The same mathematics on tokens that lie one after another without padding, as fused operations have them: float32 on the CPU.</summary>
/// <remarks>
/// Histories have long tails: padded to its longest, a batch of them is padding by three quarters. Dropout draws from seeds of its own, so
/// in training the two ways drop different elements.
/// </remarks>
internal sealed partial class Bart
{
    private bool Packs => !Device.IsCuda && _logitsBias.Dtype == ScalarType.Float32;

    // Float [N, d]; arguments as for Encode.
    private Tensor EncodePacked(PackedRows rows, Tensor ids, Tensor? added, Action<Tensor>? trace) => _body.Encoder.ForwardPacked(
        Embed(rows.Pack(ids), added is null ? null : rows.Pack(added.Expand(rows.Rows, rows.Width, -1))),
        rows,
        trace is null ? null : states => trace(rows.Unpack(states)));

    private BartCache RememberPacked(Tensor encoded, Tensor? padding)
    {
        var rows = PackedRows.Of(encoded.Size(0), encoded.Size(1), padding);
        var packed = rows.Pack(encoded);                                                            // [N, d]
        return new BartCache(_body.Decoder.Layers.Select(layer => layer.RememberPacked(packed)), null, rows.Offsets);
    }

    private Tensor LossPacked(Tensor ids, Tensor? padding, Tensor labels, Tensor? added)
    {
        var inputs = PackedRows.Of(ids.Size(0), ids.Size(1), padding);
        var encoded = EncodePacked(inputs, ids, added, null);
        // What follows a row's last label is not read: the label would be the only one to see it.
        var texts = PackedRows.Of(labels.Size(0), labels.Size(1), After(labels));
        var hidden = _body.Decoder.ForwardPacked(Embed(texts.Pack(ShiftRight(labels)), null), texts, encoded, inputs);
        var targets = texts.Pack(labels);
        var predicted = targets.Ne(Ignored);
        return Functional.CrossEntropy(Logits(hidden[predicted]), targets[predicted]);
    }

    // Bool [B, T], true behind a row's last label.
    private static Tensor After(Tensor labels)
    {
        var (rows, width, values) = (labels.Size(0), labels.Size(1), labels.ToArray<long>());
        var after = new bool[values.Length];
        for (var row = 0; row < rows; row++)
        {
            for (var place = ((row + 1) * width) - 1; place >= row * width && values[place] == Ignored; place--)
            {
                after[place] = true;
            }
        }

        return Tensor.From(after, rows, width);
    }

    private abstract partial class Stack
    {
        protected Tensor BeginPacked(Tensor embedded, PackedRows rows)
        {
            CheckLength(rows.Width);
            return _dropout.Forward(Packed.ResidualNorm(embedded, _positions.Forward(rows.Positions + PositionOffset), _embeddingNorm));
        }
    }

    private sealed partial class EncoderStack
    {
        /// <param name="embedded">float [N, d].</param>
        /// <param name="rows">Whose tokens these are.</param>
        /// <param name="trace">Told the states [N, d].</param>
        public Tensor ForwardPacked(Tensor embedded, PackedRows rows, Action<Tensor>? trace)
        {
            var x = BeginPacked(embedded, rows);
            trace?.Invoke(x);
            foreach (var layer in _layers)
            {
                x = IsDropped() ? x : layer.ForwardPacked(x, rows);
                trace?.Invoke(x);
            }

            return x;
        }
    }

    private sealed partial class DecoderStack
    {
        /// <param name="embedded">float [M, d].</param>
        /// <param name="rows">Whose tokens these are.</param>
        /// <param name="encoded">float [N, d].</param>
        /// <param name="inputs">Whose tokens those are: row for row what the texts are about.</param>
        public Tensor ForwardPacked(Tensor embedded, PackedRows rows, Tensor encoded, PackedRows inputs)
        {
            var x = BeginPacked(embedded, rows);
            foreach (var layer in Layers)
            {
                x = IsDropped() ? x : layer.ForwardPacked(x, rows, encoded, inputs);
            }

            return x;
        }

        /// <summary>As <see cref="Forward"/>, the inputs' tokens being without padding.</summary>
        private Tensor ForwardFused(Tensor x, Tensor? future, BartCache cache, Action<Tensor>? trace)
        {
            var shape = x.Shape;                                                                    // [R, T, d]
            var (tokens, inputs) = (shape[0] * shape[1], cache.Offsets!.Size(0) - 1);
            // All tokens of all rows of an input are its queries.
            var queries = Tensor.Arange(0, tokens + 1, tokens / inputs);
            x = x.View(tokens, -1);
            for (var i = 0; i < Layers.Count; i++)
            {
                x = IsDropped() ? x : Layers[i].ForwardFused(x, shape[0], i, future, queries, cache);
                trace?.Invoke(x.View(shape));
            }

            cache.Advance(shape[1]);
            return x.View(shape);
        }
    }

    private abstract partial class Layer
    {
        protected Tensor AttendOwnPacked(Tensor x, PackedRows rows, bool causal) =>
            Add(x, _attention.ForwardPacked(x, rows.Offsets, _attention.KeysAndValuesPacked(x), rows.Offsets, causal), _attentionNorm, _dropout);

        protected Tensor AttendOwnFused(Tensor x, (Tensor Keys, Tensor Values) seen, Tensor? hidden) =>
            Add(x, _attention.Forward(x, seen, hidden), _attentionNorm, _dropout);

        protected Tensor FeedForwardPacked(Tensor x) => Add(x, Inner(x), _finalNorm, _dropout);

        protected static Tensor Add(Tensor x, Tensor y, LayerNorm norm, Dropout dropout) =>
            Packed.ResidualNorm(x, y, norm, dropout.Rate, Seed(dropout.Rate));
    }

    private sealed partial class EncoderLayer
    {
        public Tensor ForwardPacked(Tensor x, PackedRows rows) => FeedForwardPacked(AttendOwnPacked(x, rows, causal: false));
    }

    private sealed partial class DecoderLayer
    {
        /// <summary>As <see cref="Remember"/>, float [N, d] twice.</summary>
        public (Tensor Keys, Tensor Values) RememberPacked(Tensor encoded) => _inputAttention.KeysAndValuesPacked(encoded);

        public Tensor ForwardPacked(Tensor x, PackedRows rows, Tensor encoded, PackedRows inputs)
        {
            x = AttendOwnPacked(x, rows, causal: true);
            return FeedForwardPacked(AttendInputs(x, rows.Offsets, RememberPacked(encoded), inputs.Offsets));
        }

        /// <param name="x">float [R · T, d].</param>
        /// <param name="rows">R.</param>
        /// <param name="layer">This layer's place in the cache.</param>
        /// <param name="future">bool [T, T], or null.</param>
        /// <param name="queries">int64 [B + 1]: where each input's tokens begin in <paramref name="x"/>.</param>
        /// <param name="cache">Receives the tokens.</param>
        public Tensor ForwardFused(Tensor x, long rows, int layer, Tensor? future, Tensor queries, BartCache cache)
        {
            x = AttendOwnFused(x, cache.Append(layer, KeysAndValues(x, rows)), future);
            return FeedForwardPacked(AttendInputs(x, queries, cache.Inputs(layer), cache.Offsets!));
        }

        private Tensor AttendInputs(Tensor x, Tensor queries, (Tensor Keys, Tensor Values) seen, Tensor offsets) =>
            Add(x, _inputAttention.ForwardPacked(x, queries, seen, offsets, causal: false), _inputNorm, _dropout);
    }

    private sealed partial class Attention
    {
        /// <summary>As <see cref="KeysAndValues"/>, float [N, d] twice.</summary>
        public (Tensor Keys, Tensor Values) KeysAndValuesPacked(Tensor x) => (_key.Forward(x), _value.Forward(x));

        /// <param name="x">float [M, d].</param>
        /// <param name="queries">int64 [B + 1]: where each row begins in <paramref name="x"/>.</param>
        /// <param name="seen">float [N, d] twice.</param>
        /// <param name="offsets">int64 [B + 1]: where each row begins there.</param>
        /// <param name="causal">Whether a token sees itself and those before it only; <paramref name="seen"/> is of the same tokens then.</param>
        /// <returns>float [M, d].</returns>
        public Tensor ForwardPacked(Tensor x, Tensor queries, (Tensor Keys, Tensor Values) seen, Tensor offsets, bool causal)
        {
            var (q, (k, v), seed) = (_query.Forward(x), seen, Seed(_dropout.Rate));
            return _out.Forward(causal
                ? Packed.Attention(q, k, v, offsets, Tensor.Arange(x.Size(0)), _heads, _dropout.Rate, seed)
                : Packed.FullAttention(q, k, v, queries, offsets, _heads, _dropout.Rate, seed));
        }
    }

    // Of the thread's random numbers, as libtorch's own dropout.
    private static long Seed(double dropout)
    {
        if (dropout == 0)
        {
            return 0;
        }

        using var draw = Tensor.RandInt(0, long.MaxValue, []);
        return draw.Item<long>();
    }
}

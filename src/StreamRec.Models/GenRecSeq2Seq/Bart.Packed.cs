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
    }

    private abstract partial class Layer
    {
        protected Tensor AttendOwnPacked(Tensor x, PackedRows rows, bool causal) =>
            Add(x, _attention.ForwardPacked(x, rows, x, rows, causal), _attentionNorm, _dropout);

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
        public Tensor ForwardPacked(Tensor x, PackedRows rows, Tensor encoded, PackedRows inputs)
        {
            x = AttendOwnPacked(x, rows, causal: true);
            return FeedForwardPacked(Add(x, _inputAttention.ForwardPacked(x, rows, encoded, inputs, causal: false), _inputNorm, _dropout));
        }
    }

    private sealed partial class Attention
    {
        /// <param name="x">float [M, d].</param>
        /// <param name="rows">Whose tokens these are.</param>
        /// <param name="seen">float [N, d].</param>
        /// <param name="inputs">Whose tokens those are; when causal, <paramref name="rows"/>.</param>
        /// <param name="causal">Whether a token sees itself and those before it only.</param>
        /// <returns>float [M, d].</returns>
        public Tensor ForwardPacked(Tensor x, PackedRows rows, Tensor seen, PackedRows inputs, bool causal)
        {
            var (q, k, v) = (_query.Forward(x), _key.Forward(seen), _value.Forward(seen));
            var seed = Seed(_dropout.Rate);
            return _out.Forward(causal
                ? Packed.Attention(q, k, v, rows.Offsets, Tensor.Arange(x.Size(0)), _heads, _dropout.Rate, seed)
                : Packed.FullAttention(q, k, v, rows.Offsets, inputs.Offsets, _heads, _dropout.Rate, seed));
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

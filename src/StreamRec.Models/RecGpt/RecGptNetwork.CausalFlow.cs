using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

internal sealed partial class RecGptNetwork
{
    /// <summary>Causal flow attention (Flowformer, Wu et al. 2022, arXiv 2202.06258, in the form that the paper's code runs).</summary>
    /// <remarks>
    /// Keys and queries are flows: what a slot takes in and gives out is conserved over the slots up to it, and competition (a softmax
    /// over sources) and allocation (a gate at sinks) stand where softmax attention has its weights. Every sum runs over the slots so far,
    /// so a head's state has constant size; windows are short, and the [T, T] product is quicker than running sums of outer products.
    /// Departs: padding takes no part, so that a window means the same however it is padded; <see cref="RecGptLegacy.PaddedWindows"/> lets it.
    /// </remarks>
    private sealed class CausalFlowAttention(RecGptConfig config) : Attention(config)
    {
        /// <summary>Keeps denominators from zero; a term of the released formula, large enough to be seen in its numbers.</summary>
        private const double Eps = 1e-6;

        private readonly bool _paddedWindows = config.Legacy.PaddedWindows;

        /// <summary>float [B, 1, T, 1]: 1 where a slot takes part.</summary>
        public override Tensor Mask(Tensor items)
        {
            var (B, T) = (items.Size(0), items.Size(1));
            return _paddedWindows
                ? Tensor.Ones([B, 1, T, 1], device: items.Device)
                : items.Ne(0).To(ScalarType.Float32).View(B, 1, T, 1);
        }

        protected override Tensor Context(Tensor query, Tensor x, Tensor mask)
        {
            var (Q, T) = (query.Size(1), x.Size(1));
            var count = mask.CumSum(2).Clamp(min: 1);                                          // [B, 1, T, 1]: slots so far
            var q = Queries(x).Sigmoid() * mask;                                               // [B, heads, T, d/heads]
            var k = Keys(x).Sigmoid() * mask;

            var incoming = count / Inner(q, k.CumSum(2));                                      // [B, heads, T, 1]
            var outgoing = count / Inner(k, q.CumSum(2));
            var sink = Inner(q, (k * outgoing).CumSum(2)) / count;
            var source = (Inner(k, (q * incoming).CumSum(2)) / count).Clamp(-1, 1).Exp() * mask;
            // A real slot's source is above 1/e, so the bound acts only before the first one.
            var competition = count * source / source.CumSum(2).Clamp(min: Eps);

            var from = T - Q;
            var scores = (q * incoming / count).Narrow(2, from, Q).MatMul(k.Transpose(-1, -2));  // [B, heads, Q, T]
            return sink.Narrow(2, from, Q).Sigmoid() * scores.Tril(from).MatMul(Values(x) * competition);
        }

        private static Tensor Inner(Tensor flow, Tensor sum) => ((flow + Eps) * (sum + Eps)).Sum(-1, keepdim: true);
    }
}

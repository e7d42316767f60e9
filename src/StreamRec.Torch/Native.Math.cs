using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Functions of native/math.cpp.</summary>
internal static partial class Native
{
    [LibraryImport(Library)]
    internal static partial int sr_add(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sub(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_mul(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_div(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_matmul(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_bmm(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_add_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sub_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_rsub_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_mul_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_div_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_rdiv_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_pow_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_neg(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_exp(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_log(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sqrt(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_rsqrt(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_abs(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_cos(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sin(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_tanh(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sigmoid(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_log_sigmoid(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_softplus(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_relu(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_silu(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_gelu(TensorHandle self, int tanh, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_clamp(TensorHandle self, Scalar min, Scalar max, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_eq(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_ne(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_lt(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_le(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_gt(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_ge(TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_eq_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_ne_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_lt_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_le_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_gt_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_ge_scalar(TensorHandle self, Scalar number, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_logical_and(
        TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_logical_or(
        TensorHandle first, TensorHandle second, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_logical_not(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_isfinite(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sum(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_mean(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_max(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_min(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_all(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_any(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_norm(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sum_dim(TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_mean_dim(
        TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_all_dim(TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_any_dim(TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_argmax(TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_cumsum(TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_softmax(TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_log_softmax(
        TensorHandle self, long dim, int keepdim, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_max_dim(
        TensorHandle self, long dim, int keepdim, out nint values, out nint indices, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_min_dim(
        TensorHandle self, long dim, int keepdim, out nint values, out nint indices, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_topk(
        TensorHandle self, long k, long dim, int largest, int sorted, out nint values, out nint indices,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_add_(TensorHandle self, TensorHandle other, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sub_(TensorHandle self, TensorHandle other, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_mul_(TensorHandle self, TensorHandle other, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_div_(TensorHandle self, TensorHandle other, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_add_scalar_(TensorHandle self, Scalar number, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sub_scalar_(TensorHandle self, Scalar number, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_mul_scalar_(TensorHandle self, Scalar number, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_div_scalar_(TensorHandle self, Scalar number, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_fill_(TensorHandle self, Scalar number, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_copy_(TensorHandle self, TensorHandle source, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_normal_(TensorHandle self, double mean, double deviation, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_uniform_(TensorHandle self, double @from, double to, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_clamp_(TensorHandle self, Scalar min, Scalar max, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_linear(
        TensorHandle input, TensorHandle weight, TensorHandle bias, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_addmm(
        TensorHandle self, TensorHandle first, TensorHandle second, double beta, double alpha, out nint result,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_embedding(
        TensorHandle weight, TensorHandle indices, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_layer_norm(
        TensorHandle input, TensorHandle weight, TensorHandle bias, double eps, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_dropout(
        TensorHandle input, double p, int training, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_cross_entropy(
        TensorHandle logits, TensorHandle target, long reduction, long ignoreIndex, double smoothing, out nint result,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_nll_loss(
        TensorHandle logProbabilities, TensorHandle target, long reduction, long ignoreIndex, out nint result,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_bce_with_logits(
        TensorHandle logits, TensorHandle target, long reduction, out nint result, out nint error);
}

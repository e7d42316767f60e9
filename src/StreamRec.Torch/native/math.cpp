// Arithmetic, comparisons, reductions and losses.
#include "shim.h"

SR_BINARY(add, at::add(a, b))
SR_BINARY(sub, at::sub(a, b))
SR_BINARY(mul, at::mul(a, b))
SR_BINARY(div, at::div(a, b))
SR_BINARY(matmul, at::matmul(a, b))
SR_BINARY(bmm, at::bmm(a, b))
SR_WITH_SCALAR(add_scalar, at::add(x, s))
SR_WITH_SCALAR(sub_scalar, at::sub(x, s))
SR_WITH_SCALAR(rsub_scalar, at::rsub(x, s))
SR_WITH_SCALAR(mul_scalar, at::mul(x, s))
SR_WITH_SCALAR(div_scalar, at::div(x, s))
SR_WITH_SCALAR(rdiv_scalar, at::mul(at::reciprocal(x), s))
SR_WITH_SCALAR(pow_scalar, at::pow(x, s))

SR_UNARY(neg, at::neg(x))
SR_UNARY(exp, at::exp(x))
SR_UNARY(log, at::log(x))
SR_UNARY(sqrt, at::sqrt(x))
SR_UNARY(rsqrt, at::rsqrt(x))
SR_UNARY(abs, at::abs(x))
SR_UNARY(cos, at::cos(x))
SR_UNARY(sin, at::sin(x))
SR_UNARY(tanh, at::tanh(x))
SR_UNARY(sigmoid, at::sigmoid(x))
SR_UNARY(log_sigmoid, at::log_sigmoid(x))
SR_UNARY(softplus, at::softplus(x))
SR_UNARY(relu, at::relu(x))
SR_UNARY(silu, at::silu(x))
SR_FUNCTION(gelu, (Handle self, int32_t tanh, Handle* result),
    { *result = own(at::gelu(*self, tanh != 0 ? "tanh" : "none")); })

static at::Tensor clamp(const at::Tensor& x, const sr_scalar& min, const sr_scalar& max)
{
    TORCH_CHECK(min.kind != 0 || max.kind != 0, "clamp needs a lower or an upper bound");
    if (max.kind == 0)
        return at::clamp_min(x, scalar_of(min));
    if (min.kind == 0)
        return at::clamp_max(x, scalar_of(max));
    return at::clamp(x, scalar_of(min), scalar_of(max));
}

SR_FUNCTION(clamp, (Handle self, sr_scalar min, sr_scalar max, Handle* result), { *result = own(clamp(*self, min, max)); })

SR_BINARY(eq, at::eq(a, b))
SR_BINARY(ne, at::ne(a, b))
SR_BINARY(lt, at::lt(a, b))
SR_BINARY(le, at::le(a, b))
SR_BINARY(gt, at::gt(a, b))
SR_BINARY(ge, at::ge(a, b))
SR_WITH_SCALAR(eq_scalar, at::eq(x, s))
SR_WITH_SCALAR(ne_scalar, at::ne(x, s))
SR_WITH_SCALAR(lt_scalar, at::lt(x, s))
SR_WITH_SCALAR(le_scalar, at::le(x, s))
SR_WITH_SCALAR(gt_scalar, at::gt(x, s))
SR_WITH_SCALAR(ge_scalar, at::ge(x, s))
SR_BINARY(logical_and, at::logical_and(a, b))
SR_BINARY(logical_or, at::logical_or(a, b))
SR_UNARY(logical_not, at::logical_not(x))
SR_UNARY(isfinite, at::isfinite(x))

SR_UNARY(sum, at::sum(x))
SR_UNARY(mean, at::mean(x))
SR_UNARY(max, at::max(x))
SR_UNARY(min, at::min(x))
SR_UNARY(all, at::all(x))
SR_UNARY(any, at::any(x))
SR_UNARY(norm, at::norm(x))
SR_ALONG(sum_dim, at::sum(x, at::IntArrayRef(&dim, 1), keep))
SR_ALONG(mean_dim, at::mean(x, at::IntArrayRef(&dim, 1), keep))
SR_ALONG(all_dim, at::all(x, dim, keep))
SR_ALONG(any_dim, at::any(x, dim, keep))
SR_ALONG(argmax, at::argmax(x, dim, keep))
SR_ALONG(cumsum, at::cumsum(x, dim))
SR_ALONG(softmax, at::softmax(x, dim))
SR_ALONG(log_softmax, at::log_softmax(x, dim))

#define SR_PAIR(name, parameters, expression)                                                                          \
    SR_FUNCTION(name, (Handle self, SR_LIST parameters, Handle* values, Handle* indices), {                            \
        auto [first, second] = expression;                                                                             \
        *values = own(std::move(first));                                                                               \
        *indices = own(std::move(second));                                                                             \
    })

SR_PAIR(max_dim, (int64_t dim, int32_t keepdim), at::max(*self, dim, keepdim != 0))
SR_PAIR(min_dim, (int64_t dim, int32_t keepdim), at::min(*self, dim, keepdim != 0))
SR_PAIR(topk, (int64_t k, int64_t dim, int32_t largest, int32_t sorted), at::topk(*self, k, dim, largest != 0, sorted != 0))

SR_IN_PLACE(add_, (Handle other), x.add_(*other))
SR_IN_PLACE(sub_, (Handle other), x.sub_(*other))
SR_IN_PLACE(mul_, (Handle other), x.mul_(*other))
SR_IN_PLACE(div_, (Handle other), x.div_(*other))
SR_IN_PLACE(add_scalar_, (sr_scalar number), x.add_(scalar_of(number)))
SR_IN_PLACE(sub_scalar_, (sr_scalar number), x.sub_(scalar_of(number)))
SR_IN_PLACE(mul_scalar_, (sr_scalar number), x.mul_(scalar_of(number)))
SR_IN_PLACE(div_scalar_, (sr_scalar number), x.div_(scalar_of(number)))
SR_IN_PLACE(fill_, (sr_scalar number), x.fill_(scalar_of(number)))
SR_IN_PLACE(copy_, (Handle source), x.copy_(*source))
SR_IN_PLACE(normal_, (double mean, double deviation), x.normal_(mean, deviation, sr::generator_of(x.device())))
SR_IN_PLACE(uniform_, (double from, double to), x.uniform_(from, to, sr::generator_of(x.device())))
SR_IN_PLACE(clamp_, (sr_scalar min, sr_scalar max), {
    TORCH_CHECK(min.kind != 0 || max.kind != 0, "clamp_ needs a lower or an upper bound");
    if (min.kind == 0)
        x.clamp_max_(scalar_of(max));
    else if (max.kind == 0)
        x.clamp_min_(scalar_of(min));
    else
        x.clamp_(scalar_of(min), scalar_of(max));
})

static at::Tensor optional(Handle tensor)
{
    return tensor == nullptr ? at::Tensor() : *tensor;
}

SR_FUNCTION(linear, (Handle input, Handle weight, Handle bias, Handle* result),
    { *result = own(at::linear(*input, *weight, optional(bias))); })
SR_FUNCTION(addmm, (Handle self, Handle first, Handle second, double beta, double alpha, Handle* result),
    { *result = own(at::addmm(*self, *first, *second, beta, alpha)); })
SR_FUNCTION(embedding, (Handle weight, Handle indices, Handle* result),
    { *result = own(at::embedding(*weight, *indices)); })
SR_FUNCTION(layer_norm, (Handle input, Handle weight, Handle bias, double eps, Handle* result), {
    TORCH_CHECK(input->dim() > 0, "layer_norm needs at least one dimension");
    const auto width = weight == nullptr ? input->size(-1) : weight->size(0);
    *result = own(at::layer_norm(*input, at::IntArrayRef(&width, 1), optional(weight), optional(bias), eps));
})
SR_FUNCTION(dropout, (Handle input, double p, int32_t training, Handle* result),
    {
        const auto& x = *input;
        TORCH_CHECK(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
        // libtorch's own takes no generator.
        if (training == 0 || p == 0)
            *result = own(x);
        else if (p == 1)
            *result = own(x * at::zeros_like(x));
        else
            *result = own(x * at::empty_like(x).bernoulli_(1 - p, sr::generator_of(x.device())).div_(1 - p));
    })
SR_FUNCTION(cross_entropy, (Handle logits, Handle target, int64_t reduction, int64_t ignore_index, double smoothing,
    Handle* result),
    { *result = own(at::cross_entropy_loss(*logits, *target, {}, reduction, ignore_index, smoothing)); })
SR_FUNCTION(nll_loss, (Handle log_probabilities, Handle target, int64_t reduction, int64_t ignore_index, Handle* result),
    { *result = own(at::nll_loss_nd(*log_probabilities, *target, {}, reduction, ignore_index)); })
SR_FUNCTION(bce_with_logits, (Handle logits, Handle target, int64_t reduction, Handle* result),
    { *result = own(at::binary_cross_entropy_with_logits(*logits, *target, {}, {}, reduction)); })

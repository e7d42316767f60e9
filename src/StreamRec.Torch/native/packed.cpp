// Sequences of different lengths in one block without padding: rows offsets[b] up to offsets[b + 1] of [N, d] are sequence b.
// float32 on the CPU. Work is split at fixed places, so results do not depend on the number of threads.
#include "shim.h"
#include "simd.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace
{
constexpr int64_t blocks = 16;

void check(const at::Tensor& t, const char* name, at::ScalarType dtype = at::kFloat)
{
    TORCH_CHECK(t.is_cpu() && t.scalar_type() == dtype && t.is_contiguous(), name, " must be a contiguous CPU tensor of ", dtype);
}

// Runs work(block, begin, end) for fixed blocks of [0, count).
template <class Work>
void in_blocks(int64_t count, const Work& work)
{
    const int64_t size = (count + blocks - 1) / blocks;
    at::parallel_for(0, blocks, count * 64 > 32768 ? 1 : blocks, [&](int64_t first, int64_t last) {
        for (int64_t block = first; block < last; block++)
            work(block, std::min(count, block * size), std::min(count, (block + 1) * size));
    });
}

// ---- softmax attention: one sequence and head; rows of q, k, v are `stride` apart, `width` floats each;
// ---- query s sees the first seen[s] keys

template <int Width>
SR_INLINE float dot(const float* a, const float* b, int width)
{
    const int n = Width > 0 ? Width : width;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int c = 0; c < n; c++)
        sum += a[c] * b[c];
    return sum;
}

template <int Width>
SR_INLINE void add_scaled(float* to, const float* from, float factor, int width)
{
    const int n = Width > 0 ? Width : width;
#pragma omp simd
    for (int c = 0; c < n; c++)
        to[c] += factor * from[c];
}

struct Head
{
    int64_t queries, stride;
    const int64_t* seen;
    int width;
    float scale;
    const float *q, *k, *v;
    float* weights;        // of the softmax: for each query as many as it sees
    uint32_t first_weight; // its index among all weights, for dropout
};

template <int Width>
SR_INLINE void attend(const Head& h, const sr::Dropout& dropout, float* out)
{
    const int n = Width > 0 ? Width : h.width;
    int64_t start = 0;
    for (int64_t s = 0; s < h.queries; s++)
    {
        const int64_t seen = h.seen[s];
        float* w = h.weights + start;
        float top = -INFINITY;
        for (int64_t j = 0; j < seen; j++)
        {
            w[j] = h.scale * dot<Width>(h.q + s * h.stride, h.k + j * h.stride, n);
            top = w[j] > top ? w[j] : top;
        }
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < seen; j++)
        {
            w[j] = sr::exp_of(w[j] - top);
            sum += w[j];
        }
        float* o = out + s * h.stride;
        for (int c = 0; c < n; c++)
            o[c] = 0;
        const float factor = 1 / sum;
        for (int64_t j = 0; j < seen; j++)
        {
            w[j] *= factor;
            const float kept = dropout.threshold == 0 ? w[j] : w[j] * dropout(h.first_weight + static_cast<uint32_t>(start + j));
            add_scaled<Width>(o, h.v + j * h.stride, kept, n);
        }
        start += seen;
    }
}

template <int Width>
SR_INLINE void attend_backward(
    const Head& h, const sr::Dropout& dropout, const float* gradient, float* dq, float* dk, float* dv, float* scratch)
{
    const int n = Width > 0 ? Width : h.width;
    int64_t start = 0;
    for (int64_t s = 0; s < h.queries; s++)
    {
        const int64_t seen = h.seen[s];
        const float* w = h.weights + start;
        const float* g = gradient + s * h.stride;
        float mean = 0;
        for (int64_t j = 0; j < seen; j++)
        {
            const float kept = dropout.threshold == 0 ? 1.0f : dropout(h.first_weight + static_cast<uint32_t>(start + j));
            scratch[j] = kept * dot<Width>(g, h.v + j * h.stride, n);
            mean += w[j] * scratch[j];
            add_scaled<Width>(dv + j * h.stride, g, kept * w[j], n);
        }
        for (int64_t j = 0; j < seen; j++)
        {
            const float ds = h.scale * w[j] * (scratch[j] - mean);
            add_scaled<Width>(dq + s * h.stride, h.k + j * h.stride, ds, n);
            add_scaled<Width>(dk + j * h.stride, h.q + s * h.stride, ds, n);
        }
        start += seen;
    }
}

#define SR_BY_WIDTH(function, width, ...)                                                                              \
    switch (width)                                                                                                     \
    {                                                                                                                  \
    case 16: function<16>(__VA_ARGS__); break;                                                                         \
    case 32: function<32>(__VA_ARGS__); break;                                                                         \
    case 64: function<64>(__VA_ARGS__); break;                                                                         \
    case 128: function<128>(__VA_ARGS__); break;                                                                       \
    default: function<0>(__VA_ARGS__);                                                                                 \
    }

SR_VECTORISED void attend_head(const Head& h, const sr::Dropout& dropout, float* out)
{
    SR_BY_WIDTH(attend, h.width, h, dropout, out)
}

SR_VECTORISED void attend_head_backward(
    const Head& h, const sr::Dropout& dropout, const float* gradient, float* dq, float* dk, float* dv, float* scratch)
{
    SR_BY_WIDTH(attend_backward, h.width, h, dropout, gradient, dq, dk, dv, scratch)
}

// Whose keys a query sees, and how many of them.
struct Queries
{
    at::Tensor offsets; // int64 [B + 1]: where the queries of each sequence begin
    at::Tensor seen;    // int64 [M]
};

void check_offsets(const at::Tensor& offsets, const char* name, int64_t rows)
{
    check(offsets, name, at::kLong);
    const auto* o = offsets.data_ptr<int64_t>();
    const auto count = offsets.numel() - 1;
    TORCH_CHECK(count >= 0 && o[0] == 0 && o[count] == rows, name, " must begin with 0 and end with the number of rows, ", rows);
    for (int64_t b = 0; b < count; b++)
        TORCH_CHECK(o[b + 1] >= o[b], name, " must not fall");
}

// Queries that stand at slots among the keys and see them up to there.
Queries causal(const at::Tensor& offsets, const at::Tensor& slots, int64_t rows)
{
    check_offsets(offsets, "offsets", rows), check(slots, "slots", at::kLong);
    Queries queries{at::zeros_like(offsets), at::empty_like(slots)};
    const auto* o = offsets.data_ptr<int64_t>();
    const auto* slot = slots.data_ptr<int64_t>();
    int64_t query = 0;
    for (int64_t b = 0; b < offsets.numel() - 1; b++)
    {
        for (; query < slots.numel() && slot[query] < o[b + 1]; query++)
        {
            TORCH_CHECK(slot[query] >= (query == 0 ? 0 : slot[query - 1] + 1), "slots must rise from 0; one is ", slot[query]);
            queries.seen.data_ptr<int64_t>()[query] = slot[query] - o[b] + 1;
        }
        queries.offsets.data_ptr<int64_t>()[b + 1] = query;
    }
    TORCH_CHECK(query == slots.numel(), "slots must be less than the number of rows, ", rows, "; one is ", slot[query]);
    return queries;
}

// Queries that see all keys of their sequence.
Queries full(const at::Tensor& query_offsets, const at::Tensor& offsets, int64_t queries, int64_t rows)
{
    check_offsets(query_offsets, "query offsets", queries), check_offsets(offsets, "offsets", rows);
    TORCH_CHECK(query_offsets.numel() == offsets.numel(), "queries are of ", query_offsets.numel() - 1, " sequences, keys of ",
        offsets.numel() - 1);
    Queries result{query_offsets, at::empty({queries}, offsets.options())};
    const auto* q = query_offsets.data_ptr<int64_t>();
    const auto* o = offsets.data_ptr<int64_t>();
    for (int64_t b = 0; b < offsets.numel() - 1; b++)
    {
        TORCH_CHECK(q[b + 1] == q[b] || o[b + 1] > o[b], "sequence ", b, " has queries and no keys");
        std::fill(result.seen.data_ptr<int64_t>() + q[b], result.seen.data_ptr<int64_t>() + q[b + 1], o[b + 1] - o[b]);
    }
    return result;
}

// For each sequence where its weights begin for one head: as many as its queries see keys.
std::vector<int64_t> weights_of(const Queries& queries)
{
    const auto count = queries.offsets.numel() - 1;
    const auto* q = queries.offsets.data_ptr<int64_t>();
    std::vector<int64_t> starts(static_cast<size_t>(count) + 1);
    for (int64_t b = 0; b < count; b++)
    {
        starts[b + 1] = starts[b];
        for (auto s = q[b]; s < q[b + 1]; s++)
            starts[b + 1] += queries.seen.data_ptr<int64_t>()[s];
    }
    return starts;
}

template <class Work>
void each_head(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& offsets, const Queries& queries,
    const at::Tensor& weights, int64_t heads, const Work& work)
{
    const auto starts = weights_of(queries);
    const auto* first = queries.offsets.data_ptr<int64_t>();
    const auto* o = offsets.data_ptr<int64_t>();
    const auto d = q.size(1);
    in_blocks(offsets.numel() - 1, [&](int64_t, int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; b++)
            for (int64_t head = 0; head < heads; head++)
            {
                Head h;
                h.queries = first[b + 1] - first[b];
                h.stride = d;
                h.seen = queries.seen.data_ptr<int64_t>() + first[b];
                h.width = static_cast<int>(d / heads);
                h.scale = 1 / std::sqrt(static_cast<float>(h.width));
                const auto query = first[b] * d + head * h.width;
                const auto key = o[b] * d + head * h.width;
                h.q = q.data_ptr<float>() + query;
                h.k = k.data_ptr<float>() + key;
                h.v = v.data_ptr<float>() + key;
                const auto weight = heads * starts[b] + head * (starts[b + 1] - starts[b]);
                h.weights = weights.data_ptr<float>() + weight;
                h.first_weight = static_cast<uint32_t>(weight);
                work(h, query, key, o[b + 1] - o[b]);
            }
    });
}

struct Attention : torch::autograd::Function<Attention>
{
    static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
        const at::Tensor& offsets, const at::Tensor& query_offsets, const at::Tensor& seen, int64_t heads, double p, int64_t seed)
    {
        check(q, "q"), check(k, "k"), check(v, "v");
        TORCH_CHECK(k.dim() == 2 && k.sizes() == v.sizes(), "k and v must have one shape [N, d]");
        TORCH_CHECK(q.dim() == 2 && q.size(1) == k.size(1) && q.size(0) == seen.numel(), "q must be [M, d] with a slot for each row");
        TORCH_CHECK(heads > 0 && q.size(1) % heads == 0, "d = ", q.size(1), " must be a multiple of heads = ", heads);
        const Queries queries{query_offsets, seen};
        const auto weights = at::empty({heads * weights_of(queries).back()}, q.options());
        auto out = at::empty_like(q);
        const sr::Dropout dropout(p, seed);
        each_head(q, k, v, offsets, queries, weights, heads,
            [&](const Head& h, int64_t query, int64_t, int64_t) { attend_head(h, dropout, out.data_ptr<float>() + query); });
        context->save_for_backward({q, k, v, offsets, query_offsets, seen, weights});
        context->saved_data["heads"] = heads;
        context->saved_data["p"] = p;
        context->saved_data["seed"] = seed;
        return out;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const auto saved = context->get_saved_variables();
        const auto heads = context->saved_data["heads"].toInt();
        const auto g = gradients[0].contiguous();
        const sr::Dropout dropout(context->saved_data["p"].toDouble(), context->saved_data["seed"].toInt());
        auto dq = at::zeros_like(saved[0]);
        auto dk = at::zeros_like(saved[1]);
        auto dv = at::zeros_like(saved[1]);
        each_head(saved[0], saved[1], saved[2], saved[3], Queries{saved[4], saved[5]}, saved[6], heads,
            [&](const Head& h, int64_t query, int64_t key, int64_t length) {
                thread_local std::vector<float> scratch;
                scratch.resize(std::max(scratch.size(), static_cast<size_t>(length)));
                attend_head_backward(h, dropout, g.data_ptr<float>() + query, dq.data_ptr<float>() + query, dk.data_ptr<float>() + key,
                    dv.data_ptr<float>() + key, scratch.data());
            });
        return {dq, dk, dv, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

// ---- layer norm of x + dropout(y)

SR_VECTORISED void norm_row(const float* x, const float* y, const float* weight, const float* bias, float eps, const sr::Dropout& dropout,
    uint32_t index, int64_t width, float* normalised, float* scale, float* out)
{
    float sum = 0;
    if (dropout.threshold == 0)
    {
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < width; c++)
        {
            normalised[c] = x[c] + y[c];
            sum += normalised[c];
        }
    }
    else
    {
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < width; c++)
        {
            normalised[c] = x[c] + y[c] * dropout(index + static_cast<uint32_t>(c));
            sum += normalised[c];
        }
    }
    const float mean = sum / static_cast<float>(width);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < width; c++)
    {
        normalised[c] -= mean;
        squares += normalised[c] * normalised[c];
    }
    const float inverse = 1 / std::sqrt(squares / static_cast<float>(width) + eps);
    *scale = inverse;
#pragma omp simd
    for (int64_t c = 0; c < width; c++)
    {
        normalised[c] *= inverse;
        out[c] = normalised[c] * weight[c] + bias[c];
    }
}

SR_VECTORISED void norm_row_backward(const float* g, const float* normalised, const float* weight, float scale, const sr::Dropout& dropout,
    uint32_t index, int64_t width, float* dx, float* dy, float* dweight, float* dbias)
{
    float sum = 0;
    float along = 0;
#pragma omp simd reduction(+ : sum, along)
    for (int64_t c = 0; c < width; c++)
    {
        const float t = g[c] * weight[c];
        sum += t;
        along += t * normalised[c];
        dweight[c] += g[c] * normalised[c];
        dbias[c] += g[c];
    }
    sum /= static_cast<float>(width);
    along /= static_cast<float>(width);
#pragma omp simd
    for (int64_t c = 0; c < width; c++)
        dx[c] = scale * (g[c] * weight[c] - sum - normalised[c] * along);
    if (dropout.threshold == 0)
        return;
#pragma omp simd
    for (int64_t c = 0; c < width; c++)
        dy[c] = dx[c] * dropout(index + static_cast<uint32_t>(c));
}

struct ResidualNorm : torch::autograd::Function<ResidualNorm>
{
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
        const at::Tensor& bias, double eps, double p, int64_t seed)
    {
        check(x, "x"), check(y, "y"), check(weight, "weight"), check(bias, "bias");
        TORCH_CHECK(x.dim() == 2 && x.sizes() == y.sizes() && weight.numel() == x.size(1) && bias.numel() == x.size(1),
            "x and y must have one shape [N, d], weight and bias d elements");
        const auto [rows, d] = std::pair(x.size(0), x.size(1));
        const auto normalised = at::empty_like(x);
        const auto scale = at::empty({rows}, x.options());
        auto out = at::empty_like(x);
        const sr::Dropout dropout(p, seed);
        in_blocks(rows, [&, d = d](int64_t, int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; r++)
                norm_row(x.data_ptr<float>() + r * d, y.data_ptr<float>() + r * d, weight.data_ptr<float>(), bias.data_ptr<float>(),
                    static_cast<float>(eps), dropout, static_cast<uint32_t>(r * d), d, normalised.data_ptr<float>() + r * d,
                    scale.data_ptr<float>() + r, out.data_ptr<float>() + r * d);
        });
        context->save_for_backward({normalised, scale, weight});
        context->saved_data["p"] = p;
        context->saved_data["seed"] = seed;
        return out;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const auto saved = context->get_saved_variables();
        const auto& normalised = saved[0];
        const auto [rows, d] = std::pair(normalised.size(0), normalised.size(1));
        const auto g = gradients[0].contiguous();
        const sr::Dropout dropout(context->saved_data["p"].toDouble(), context->saved_data["seed"].toInt());
        auto dx = at::empty_like(normalised);
        auto dy = dropout.threshold == 0 ? dx : at::empty_like(normalised);
        const auto partial = at::zeros({2, blocks, d}, normalised.options());
        in_blocks(rows, [&, d = d](int64_t block, int64_t begin, int64_t end) {
            auto* dweight = partial.data_ptr<float>() + block * d;
            for (int64_t r = begin; r < end; r++)
                norm_row_backward(g.data_ptr<float>() + r * d, normalised.data_ptr<float>() + r * d, saved[2].data_ptr<float>(),
                    saved[1].data_ptr<float>()[r], dropout, static_cast<uint32_t>(r * d), d, dx.data_ptr<float>() + r * d,
                    dy.data_ptr<float>() + r * d, dweight, dweight + blocks * d);
        });
        const auto sums = partial.sum(1);
        return {dx, dy, sums.select(0, 0), sums.select(0, 1), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

// ---- sum of rows of tables, with dropout

SR_VECTORISED void sum_rows(const float* const* rows, int32_t count, const sr::Dropout& dropout, uint32_t index, int64_t width, float* out)
{
    for (int64_t c = 0; c < width; c++)
        out[c] = rows[0][c];
    for (int32_t t = 1; t < count; t++)
#pragma omp simd
        for (int64_t c = 0; c < width; c++)
            out[c] += rows[t][c];
    if (dropout.threshold != 0)
#pragma omp simd
        for (int64_t c = 0; c < width; c++)
            out[c] *= dropout(index + static_cast<uint32_t>(c));
}

SR_VECTORISED void add_row(const float* g, const sr::Dropout& dropout, uint32_t index, int64_t width, float* const* rows, int32_t count)
{
    for (int32_t t = 0; t < count; t++)
    {
        if (dropout.threshold == 0)
        {
#pragma omp simd
            for (int64_t c = 0; c < width; c++)
                rows[t][c] += g[c];
        }
        else
        {
#pragma omp simd
            for (int64_t c = 0; c < width; c++)
                rows[t][c] += g[c] * dropout(index + static_cast<uint32_t>(c));
        }
    }
}

void check_tables(const Handle* tables, int32_t count, const at::Tensor& indices)
{
    TORCH_CHECK(count > 0 && count <= 8, "1 to 8 tables, not ", count);
    check(indices, "indices", at::kLong);
    TORCH_CHECK(indices.dim() == 2 && indices.size(0) == count, "indices must be [tables, N]");
    for (int32_t t = 0; t < count; t++)
    {
        check(*tables[t], "a table");
        TORCH_CHECK(tables[t]->dim() == 2 && tables[t]->size(1) == tables[0]->size(1), "tables must have one width");
        const auto* row = indices.data_ptr<int64_t>() + t * indices.size(1);
        for (int64_t n = 0; n < indices.size(1); n++)
            TORCH_CHECK_INDEX(row[n] >= 0 && row[n] < tables[t]->size(0), "row ", row[n], " of a table with ", tables[t]->size(0));
    }
}
} // namespace

SR_FUNCTION(packed_attention,
    (Handle q, Handle k, Handle v, Handle offsets, Handle slots, int64_t heads, double p, int64_t seed, Handle* result),
    {
        const auto queries = causal(*offsets, *slots, k->size(0));
        *result = own(Attention::apply(*q, *k, *v, *offsets, queries.offsets, queries.seen, heads, p, seed));
    })

SR_FUNCTION(packed_full_attention,
    (Handle q, Handle k, Handle v, Handle query_offsets, Handle offsets, int64_t heads, double p, int64_t seed, Handle* result),
    {
        const auto queries = full(*query_offsets, *offsets, q->size(0), k->size(0));
        *result = own(Attention::apply(*q, *k, *v, *offsets, queries.offsets, queries.seen, heads, p, seed));
    })

SR_FUNCTION(residual_norm, (Handle x, Handle y, Handle weight, Handle bias, double eps, double p, int64_t seed, Handle* result),
    { *result = own(ResidualNorm::apply(*x, *y, *weight, *bias, eps, p, seed)); })

SR_FUNCTION(embedding_sum, (const Handle* tables, int32_t count, Handle indices, double p, int64_t seed, Handle* result), {
    check_tables(tables, count, *indices);
    const auto n = indices->size(1);
    const auto d = tables[0]->size(1);
    auto out = at::empty({n, d}, tables[0]->options().requires_grad(false));
    const sr::Dropout dropout(p, seed);
    const auto* index = indices->data_ptr<int64_t>();
    in_blocks(n, [&](int64_t, int64_t begin, int64_t end) {
        const float* rows[8];
        for (int64_t i = begin; i < end; i++)
        {
            for (int32_t t = 0; t < count; t++)
                rows[t] = tables[t]->data_ptr<float>() + index[t * n + i] * d;
            sum_rows(rows, count, dropout, static_cast<uint32_t>(i * d), d, out.data_ptr<float>() + i * d);
        }
    });
    *result = own(std::move(out));
})

SR_FUNCTION(embedding_sum_backward,
    (const Handle* tables, int32_t count, Handle indices, Handle gradient, double p, int64_t seed), {
        check_tables(tables, count, *indices);
        check(*gradient, "gradient");
        const auto n = indices->size(1);
        const auto d = tables[0]->size(1);
        TORCH_CHECK(gradient->dim() == 2 && gradient->size(0) == n && gradient->size(1) == d, "the gradient must be [N, d]");
        const sr::Dropout dropout(p, seed);
        float* grads[8];
        for (int32_t t = 0; t < count; t++)
            grads[t] = sr::gradient_of(*tables[t]).data_ptr<float>();
        const auto* index = indices->data_ptr<int64_t>();
        // Several tokens add to one row, so this stays on one thread.
        for (int64_t i = 0; i < n; i++)
        {
            float* rows[8];
            for (int32_t t = 0; t < count; t++)
                rows[t] = grads[t] + index[t * n + i] * d;
            add_row(gradient->data_ptr<float>() + i * d, dropout, static_cast<uint32_t>(i * d), d, rows, count);
        }
    })

// Losses over the item table with their gradients in the same pass: no logits outlive their chunk, no graph is recorded on the table.
// float32 on the CPU. The gradient of the table is added to its .grad, that of the hidden states is returned.
#include "shim.h"
#include "simd.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

namespace
{
/// Logits in work at once by one thread: 2 M floats = 8 MB stay in the last-level cache between the passes over them; with fewer the
/// item table is brought into the form of the matrix product more often.
constexpr int64_t chunk_logits = 1 << 21;

void check(const at::Tensor& hidden, const at::Tensor& table, const at::Tensor& targets)
{
    TORCH_CHECK(hidden.is_cpu() && hidden.scalar_type() == at::kFloat && hidden.is_contiguous() && hidden.dim() == 2,
        "hidden must be a contiguous float CPU tensor [N, d]");
    TORCH_CHECK(table.is_cpu() && table.scalar_type() == at::kFloat && table.is_contiguous() && table.dim() == 2
        && table.size(1) == hidden.size(1), "the table must be a contiguous float CPU tensor [rows, d]");
    TORCH_CHECK(targets.is_cpu() && targets.scalar_type() == at::kLong && targets.is_contiguous() && targets.dim() == 1
        && targets.size(0) == hidden.size(0) && hidden.size(0) > 0, "targets must be a contiguous int64 CPU tensor [N], N at least 1");
    const auto* t = targets.data_ptr<int64_t>();
    for (int64_t i = 0; i < targets.size(0); i++)
        TORCH_CHECK_INDEX(t[i] >= 1 && t[i] < table.size(0), "target ", t[i], " of a table with ", table.size(0), " rows");
}

/// Below all logits; finite, so that it may be the largest of a row.
constexpr float lowest = -1e30f;

/// x becomes e^(x - max x); returns the sum of it and the maximum.
SR_VECTORISED float exponentials(float* x, int64_t count, float* maximum)
{
    float top = x[0];
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < count; i++)
        top = x[i] > top ? x[i] : top;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++)
    {
        x[i] = sr::exp_of(x[i] - top);
        sum += x[i];
    }
    *maximum = top;
    return sum;
}

SR_VECTORISED float dot(const float* a, const float* b, int64_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

SR_VECTORISED void add_scaled(float* to, const float* from, float factor, int64_t count)
{
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        to[i] += factor * from[i];
}

SR_VECTORISED void scaled(float* to, const float* from, float factor, int64_t count)
{
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        to[i] = factor * from[i];
}

float softplus(float x)
{
    return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
} // namespace

/// Mean cross-entropy of softmax(hidden table[1:]^T) against targets, of which the share `smoothing` is spread over all rows.
SR_FUNCTION(softmax_loss, (Handle hidden, Handle table, Handle targets, double smoothing, double* loss, Handle* gradient), {
    check(*hidden, *table, *targets);
    const c10::AutoGradMode no_grad(false);
    const auto n = hidden->size(0);
    const auto d = hidden->size(1);
    const auto classes = table->size(0) - 1;
    const auto items = table->detach().narrow(0, 1, classes);
    const auto transposed = items.t();
    const auto states = hidden->detach();
    const auto* target = targets->data_ptr<int64_t>();
    const float mean = 1.0f / static_cast<float>(n);
    const auto smooth = static_cast<float>(smoothing / static_cast<double>(classes));
    const auto sum_of_rows = smoothing > 0 ? items.sum(0) : at::Tensor();
    auto result = at::empty_like(states);
    auto table_gradient = sr::gradient_of(*table).narrow(0, 1, classes);

    const auto threads = std::min<int64_t>(at::get_num_threads(), n);
    const auto chunk = std::clamp<int64_t>(chunk_logits / classes, 1, (n + threads - 1) / threads);
    const auto chunks = (n + chunk - 1) / chunk;
    std::vector<at::Tensor> gradients(static_cast<size_t>(threads));
    std::vector<double> losses(static_cast<size_t>(threads));
    // One share for each thread, so that a sum's order follows from the number of threads alone.
    const auto work = [&](int64_t thread) {
        const c10::AutoGradMode none(false);
        gradients[thread] = thread == 0 ? table_gradient : at::zeros_like(table_gradient);
        const auto buffer = at::empty({chunk, classes}, states.options());
        const auto scaled_states = at::empty({chunk, d}, states.options());
        double total = 0;
        for (auto c = chunks * thread / threads; c < chunks * (thread + 1) / threads; c++)
        {
            const auto start = c * chunk;
            const auto count = std::min(chunk, n - start);
            const auto h = states.narrow(0, start, count);
            auto logits = buffer.narrow(0, 0, count);
            auto hs = scaled_states.narrow(0, 0, count);
            auto dh = result.narrow(0, start, count);
            at::mm_out(logits, h, transposed);
            std::vector<float> factors(static_cast<size_t>(count));
            for (int64_t i = 0; i < count; i++)
            {
                auto* row = logits.data_ptr<float>() + i * classes;
                const auto* state = h.data_ptr<float>() + i * d;
                const float right = row[target[start + i] - 1];
                float top;
                const float sum = exponentials(row, classes, &top);
                double spread = 0;
                if (smoothing > 0)
                    spread = smoothing * dot(state, sum_of_rows.data_ptr<float>(), d) / static_cast<double>(classes);
                total += top + std::log(static_cast<double>(sum)) - (1 - smoothing) * right - spread;
                factors[i] = mean / sum;
                scaled(hs.data_ptr<float>() + i * d, state, factors[i], d);
            }
            at::mm_out(dh, logits, items);
            gradients[thread].addmm_(logits.t(), hs);
            const auto* rows = items.data_ptr<float>();
            auto* table_rows = gradients[thread].data_ptr<float>();
            for (int64_t i = 0; i < count; i++)
            {
                auto* row = dh.data_ptr<float>() + i * d;
                const auto right = (target[start + i] - 1) * d;
                const auto share = static_cast<float>(1 - smoothing) * mean;
                scaled(row, row, factors[i], d);
                add_scaled(row, rows + right, -share, d);
                if (smoothing > 0)
                    add_scaled(row, sum_of_rows.data_ptr<float>(), -smooth * mean, d);
                add_scaled(table_rows + right, h.data_ptr<float>() + i * d, -share, d);
            }
        }
        losses[thread] = total;
    };
    {
        const sr::SerialBlas serial;
        at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
            for (auto thread = begin; thread < end; thread++)
                work(thread);
        });
    }
    double total = losses[0];
    for (int64_t thread = 1; thread < threads; thread++)
    {
        table_gradient.add_(gradients[thread]);
        total += losses[thread];
    }
    if (smoothing > 0)
        table_gradient.sub_(states.sum(0), smooth * mean);
    *loss = total / static_cast<double>(n);
    *gradient = own(std::move(result));
})

/// Mean cross-entropy of the softmax over the target and the negatives, which stand for all rows but row 0 and the target: each counts
/// (rows - 2) / S times, and where the target itself is among them it does not count and S is one less.
SR_FUNCTION(sampled_softmax_loss, (Handle hidden, Handle table, Handle targets, Handle negatives, double* loss, Handle* gradient), {
    check(*hidden, *table, *targets);
    TORCH_CHECK(negatives->is_cpu() && negatives->scalar_type() == at::kLong && negatives->is_contiguous() && negatives->dim() == 1
        && negatives->numel() > 0, "negatives must be a contiguous int64 CPU tensor [S], S at least 1");
    const c10::AutoGradMode no_grad(false);
    const auto n = hidden->size(0);
    const auto d = hidden->size(1);
    const auto size = negatives->numel();
    const auto states = hidden->detach();
    const auto rows = table->detach();
    const auto sample = rows.index_select(0, *negatives);
    const auto transposed = sample.t();
    const auto* target = targets->data_ptr<int64_t>();
    // Where a row stands in the sample, so that a target is not its own negative.
    std::vector<int64_t> place(static_cast<size_t>(rows.size(0)), -1);
    for (int64_t s = 0; s < size; s++)
    {
        const auto row = negatives->data_ptr<int64_t>()[s];
        TORCH_CHECK_INDEX(row >= 1, "negative ", row, "; rows begin with 1");
        auto& found = place[static_cast<size_t>(row)];
        TORCH_CHECK(found < 0, "negative ", row, " comes twice");
        found = s;
    }

    const float mean = 1.0f / static_cast<float>(n);
    const double others = static_cast<double>(rows.size(0) - 2);
    auto result = at::empty_like(states);
    auto whole = sr::gradient_of(*table);
    auto sample_gradient = at::zeros_like(sample);
    const auto chunk = std::clamp<int64_t>(chunk_logits / size, 1, n);
    const auto buffer = at::empty({chunk, size}, states.options());
    const auto scaled_states = at::empty({chunk, d}, states.options());
    std::vector<float> pulls(static_cast<size_t>(n));
    double total = 0;
    for (int64_t start = 0; start < n; start += chunk)
    {
        const auto count = std::min(chunk, n - start);
        const auto h = states.narrow(0, start, count);
        auto logits = buffer.narrow(0, 0, count);
        auto hs = scaled_states.narrow(0, 0, count);
        auto dh = result.narrow(0, start, count);
        at::mm_out(logits, h, transposed);
        std::vector<float> factors(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; i++)
        {
            auto* row = logits.data_ptr<float>() + i * size;
            const auto* state = h.data_ptr<float>() + i * d;
            const auto right = target[start + i];
            const auto self = place[static_cast<size_t>(right)];
            if (self >= 0)
                row[self] = lowest;
            const double logit = dot(state, rows.data_ptr<float>() + right * d, d);
            float top;
            const float sum = exponentials(row, size, &top);
            if (self >= 0)
                row[self] = 0;
            const double correction = std::log(others / static_cast<double>(std::max<int64_t>(1, self >= 0 ? size - 1 : size)));
            // log of the sum over negatives, then over everything.
            const double rest = static_cast<double>(top) + std::log(static_cast<double>(sum)) + correction;
            const double peak = std::max(logit, rest);
            const double everything = peak + std::log(std::exp(logit - peak) + std::exp(rest - peak));
            total += everything - logit;
            factors[static_cast<size_t>(i)] = static_cast<float>(mean * std::exp(static_cast<double>(top) + correction - everything));
            pulls[static_cast<size_t>(start + i)] = static_cast<float>(mean * (std::exp(logit - everything) - 1));
            scaled(hs.data_ptr<float>() + i * d, state, factors[static_cast<size_t>(i)], d);
        }
        at::mm_out(dh, logits, sample);
        sample_gradient.addmm_(logits.t(), hs);
        for (int64_t i = 0; i < count; i++)
        {
            auto* row = dh.data_ptr<float>() + i * d;
            const auto right = target[start + i] * d;
            const auto pull = pulls[static_cast<size_t>(start + i)];
            scaled(row, row, factors[static_cast<size_t>(i)], d);
            add_scaled(row, rows.data_ptr<float>() + right, pull, d);
            add_scaled(whole.data_ptr<float>() + right, h.data_ptr<float>() + i * d, pull, d);
        }
    }
    whole.index_add_(0, *negatives, sample_gradient);
    *loss = total / static_cast<double>(n);
    *gradient = own(std::move(result));
})

/// Mean of softplus(-h e+) + softplus(h e-).
SR_FUNCTION(binary_loss, (Handle hidden, Handle table, Handle targets, Handle negatives, double* loss, Handle* gradient), {
    check(*hidden, *table, *targets);
    check(*hidden, *table, *negatives);
    const auto n = hidden->size(0);
    const auto d = hidden->size(1);
    const float mean = 1.0f / static_cast<float>(n);
    auto result = at::empty({n, d}, hidden->options().requires_grad(false));
    auto* table_gradient = sr::gradient_of(*table).data_ptr<float>();
    const auto* rows = table->data_ptr<float>();
    double total = 0;
    for (int64_t i = 0; i < n; i++)
    {
        const auto* state = hidden->data_ptr<float>() + i * d;
        auto* out = result.data_ptr<float>() + i * d;
        const auto right = targets->data_ptr<int64_t>()[i] * d;
        const auto wrong = negatives->data_ptr<int64_t>()[i] * d;
        const float up = dot(state, rows + right, d);
        const float down = dot(state, rows + wrong, d);
        total += static_cast<double>(softplus(-up)) + softplus(down);
        const float pull = -mean / (1 + std::exp(up));
        const float push = mean / (1 + std::exp(-down));
        scaled(out, rows + right, pull, d);
        add_scaled(out, rows + wrong, push, d);
        add_scaled(table_gradient + right, state, pull, d);
        add_scaled(table_gradient + wrong, state, push, d);
    }
    *loss = total / static_cast<double>(n);
    *gradient = own(std::move(result));
})

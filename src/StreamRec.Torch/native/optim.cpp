// One optimiser step over all parameters, and clipping by the global norm.
#include "shim.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

/// Kingma and Ba 2015 (weight decay added to the gradient) or, when decoupled, Loshchilov and Hutter 2019.
struct sr_adam
{
    double learning_rate;
    double beta1;
    double beta2;
    double eps;
    double weight_decay;
    int64_t decoupled;
};

/// What Adam's formula needs of a step; layout: StepFactors in Optimizer.Rows.cs.
struct sr_step
{
    float decay;    // factor on the parameter, 1 unless decoupled
    float coupled;  // factor of the parameter in the gradient, 0 when decoupled
    float beta1, one_beta1, beta2, one_beta2;
    float size;     // learning rate / (1 - beta1^t)
    float root;     // sqrt(1 - beta2^t)
    float eps;
};

namespace
{
sr_step step_of(const sr_adam& o, int64_t number)
{
    const auto t = static_cast<double>(number);
    const bool decoupled = o.decoupled != 0;
    sr_step s;
    s.decay = static_cast<float>(decoupled ? 1 - o.learning_rate * o.weight_decay : 1);
    s.coupled = static_cast<float>(decoupled ? 0 : o.weight_decay);
    s.beta1 = static_cast<float>(o.beta1);
    s.one_beta1 = static_cast<float>(1 - o.beta1);
    s.beta2 = static_cast<float>(o.beta2);
    s.one_beta2 = static_cast<float>(1 - o.beta2);
    s.size = static_cast<float>(o.learning_rate / (1 - std::pow(o.beta1, t)));
    s.root = static_cast<float>(std::sqrt(1 - std::pow(o.beta2, t)));
    s.eps = static_cast<float>(o.eps);
    return s;
}

bool is_plain(const at::Tensor& t)
{
    return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous() && t.layout() == at::kStrided;
}

// One source, several instruction sets, chosen when the library is loaded.
#if defined(__x86_64__) && !defined(__clang__) && __GNUC__ >= 12
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
void step_plain(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v, int64_t count,
    const sr_step& s)
{
    for (int64_t i = 0; i < count; i++)
    {
        const float gradient = g[i] + s.coupled * p[i];
        const float first = s.beta1 * m[i] + s.one_beta1 * gradient;
        const float second = s.beta2 * v[i] + s.one_beta2 * gradient * gradient;
        m[i] = first;
        v[i] = second;
        p[i] = s.decay * p[i] - s.size * first / (std::sqrt(second) / s.root + s.eps);
    }
}
} // namespace

SR_FUNCTION(adam_step, (const Handle* parameters, const Handle* first, const Handle* second, int64_t* steps, int32_t count,
    const sr_adam* settings), {
    const auto& o = *settings;
    const c10::AutoGradMode no_grad(false);
    for (int32_t i = 0; i < count; i++)
    {
        auto& p = *parameters[i];
        const at::Tensor g = p.grad();
        if (!g.defined())
            continue;
        auto& m = *first[i];
        auto& v = *second[i];
        const auto t = static_cast<double>(++steps[i]);
        const bool decoupled = o.decoupled != 0;
        if (is_plain(p) && is_plain(g) && is_plain(m) && is_plain(v))
        {
            const auto s = step_of(o, steps[i]);
            auto* pd = p.data_ptr<float>();
            const auto* gd = g.data_ptr<float>();
            auto* md = m.data_ptr<float>();
            auto* vd = v.data_ptr<float>();
            at::parallel_for(0, p.numel(), 16384, [&](int64_t begin, int64_t end) {
                step_plain(pd + begin, gd + begin, md + begin, vd + begin, end - begin, s);
            });
            continue;
        }
        const double size = o.learning_rate / (1 - std::pow(o.beta1, t));
        const double root = std::sqrt(1 - std::pow(o.beta2, t));
        const double decay = decoupled ? 1 - o.learning_rate * o.weight_decay : 1;
        if (decay != 1)
            p.mul_(decay);
        const at::Tensor gradient = !decoupled && o.weight_decay != 0 ? g.add(p, o.weight_decay) : g;
        m.mul_(o.beta1).add_(gradient, 1 - o.beta1);
        v.mul_(o.beta2).addcmul_(gradient, gradient, 1 - o.beta2);
        p.addcdiv_(m, v.sqrt().div_(root).add_(o.eps), -size);
    }
})

SR_FUNCTION(adam_step_factors, (const sr_adam* settings, int64_t number, sr_step* step), { *step = step_of(*settings, number); })

// Brings rows from the step that each has had last up to `until`, the last one with the gradient when there is one, which is then cleared.
// history[0] belongs to step `start` + 1. A negative count means all rows.
SR_FUNCTION(adam_rows, (Handle parameter, Handle first, Handle second, int64_t* done, const int64_t* rows, int64_t count,
    const sr_step* history, int64_t start, int64_t until, int32_t with_gradient), {
    const c10::AutoGradMode no_grad(false);
    auto& p = *parameter;
    TORCH_CHECK(p.dim() == 2 && is_plain(p) && is_plain(*first) && is_plain(*second), "rows are stepped of a contiguous float CPU table");
    const auto d = p.size(1);
    auto* gradient = with_gradient != 0 ? sr::gradient_of(p).data_ptr<float>() : nullptr;
    const std::vector<float> zeros(static_cast<size_t>(d));
    auto* pd = p.data_ptr<float>();
    auto* md = first->data_ptr<float>();
    auto* vd = second->data_ptr<float>();
    const auto all = count < 0;
    // Steps of a row in order: a row is in one thread's hands, and a list, which may name it twice, in one thread's altogether.
    at::parallel_for(0, all ? p.size(0) : count, all ? 256 : count + 1, [&](int64_t begin, int64_t end) {
        for (auto i = begin; i < end; i++)
        {
            const auto row = all ? i : rows[i];
            TORCH_CHECK_INDEX(row >= 0 && row < p.size(0), "row ", row, " of a table with ", p.size(0));
            const auto at = row * d;
            for (auto step = done[row]; step < until; step++)
            {
                const bool last = gradient != nullptr && step + 1 == until;
                step_plain(pd + at, last ? gradient + at : zeros.data(), md + at, vd + at, d, history[step - start]);
                if (last)
                    std::fill_n(gradient + at, d, 0.0f);
            }
            done[row] = until;
        }
    });
})

SR_FUNCTION(average, (const Handle* parameters, const Handle* averages, int32_t count, double decay), {
    const c10::AutoGradMode no_grad(false);
    for (int32_t i = 0; i < count; i++)
        averages[i]->lerp_(*parameters[i], 1 - decay);
})

SR_FUNCTION(zero_grad, (const Handle* parameters, int32_t count), {
    for (int32_t i = 0; i < count; i++)
        parameters[i]->mutable_grad() = at::Tensor();
})

SR_FUNCTION(clip_grad_norm, (const Handle* parameters, int32_t count, double max_norm, double* norm), {
    const c10::AutoGradMode no_grad(false);
    std::vector<at::Tensor> gradients;
    std::vector<at::Tensor> norms;
    for (int32_t i = 0; i < count; i++)
    {
        const at::Tensor g = parameters[i]->grad();
        if (!g.defined())
            continue;
        gradients.push_back(g);
        norms.push_back(at::norm(g).to(at::kDouble));
    }
    *norm = norms.empty() ? 0 : at::norm(at::stack(norms)).item<double>();
    const double factor = max_norm / (*norm + 1e-6);
    if (factor < 1 || std::isnan(factor))
        for (auto& g : gradients)
            g.mul_(factor);
})

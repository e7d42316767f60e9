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

namespace
{
struct Step
{
    float decay;    // factor on the parameter, 1 unless decoupled
    float coupled;  // factor of the parameter in the gradient, 0 when decoupled
    float beta1, one_beta1, beta2, one_beta2;
    float size;     // learning rate / (1 - beta1^t)
    float root;     // sqrt(1 - beta2^t)
    float eps;
};

bool is_plain(const at::Tensor& t)
{
    return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous() && t.layout() == at::kStrided;
}

// One source, several instruction sets, chosen when the library is loaded.
#if defined(__x86_64__) && !defined(__clang__) && __GNUC__ >= 12
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
void step_plain(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v, int64_t count,
    const Step& s)
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
        const double size = o.learning_rate / (1 - std::pow(o.beta1, t));
        const double root = std::sqrt(1 - std::pow(o.beta2, t));
        const bool decoupled = o.decoupled != 0;
        const double decay = decoupled ? 1 - o.learning_rate * o.weight_decay : 1;
        if (is_plain(p) && is_plain(g) && is_plain(m) && is_plain(v))
        {
            Step s;
            s.decay = static_cast<float>(decay);
            s.coupled = static_cast<float>(decoupled ? 0 : o.weight_decay);
            s.beta1 = static_cast<float>(o.beta1);
            s.one_beta1 = static_cast<float>(1 - o.beta1);
            s.beta2 = static_cast<float>(o.beta2);
            s.one_beta2 = static_cast<float>(1 - o.beta2);
            s.size = static_cast<float>(size);
            s.root = static_cast<float>(root);
            s.eps = static_cast<float>(o.eps);
            auto* pd = p.data_ptr<float>();
            const auto* gd = g.data_ptr<float>();
            auto* md = m.data_ptr<float>();
            auto* vd = v.data_ptr<float>();
            at::parallel_for(0, p.numel(), 16384, [&](int64_t begin, int64_t end) {
                step_plain(pd + begin, gd + begin, md + begin, vd + begin, end - begin, s);
            });
            continue;
        }
        if (decay != 1)
            p.mul_(decay);
        const at::Tensor gradient = !decoupled && o.weight_decay != 0 ? g.add(p, o.weight_decay) : g;
        m.mul_(o.beta1).add_(gradient, 1 - o.beta1);
        v.mul_(o.beta2).addcmul_(gradient, gradient, 1 - o.beta2);
        p.addcdiv_(m, v.sqrt().div_(root).add_(o.eps), -size);
    }
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

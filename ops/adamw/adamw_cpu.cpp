#include <cmath>

#include "ops/adamw/adamw_kernels.h"
#include "ops/simd/parallel.h"

namespace tandem {

namespace {

template <class T> void update(const CpuDevice& device, const AdamwStep& s) {
    const double correction1 = 1 - std::pow(s.beta1, double(s.step)),
                 correction2 = 1 - std::pow(s.beta2, double(s.step));
    const T keep = T(1 - s.lr * s.weight_decay), rate1 = T(1 - s.beta1), beta2 = T(s.beta2), rate2 = T(1 - s.beta2);
    const T size = T(s.lr / correction1), root2 = T(std::sqrt(correction2)), eps = T(s.eps),
            scale = T(s.gradient_scale);
    T *p = s.master.as<T>(), *gradient = s.gradient.as<T>(), *m = s.m.as<T>(), *v = s.v.as<T>();
    simd::parallel_blocks(device, s.master.elements(), [=](std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; i++) {
            const T g = gradient[i] * scale;
            const T m1 = m[i] + rate1 * (g - m[i]);
            const T v1 = v[i] * beta2 + rate2 * g * g;
            const T denominator = std::sqrt(v1) / root2 + eps;
            p[i] = p[i] * keep - size * m1 / denominator;
            m[i] = m1;
            v[i] = v1;
            gradient[i] = 0;
        }
    });
}

}  // namespace

void adamw_kernel(const CpuDevice& device, const AdamwStep& step) {
    if (step.master.dtype() == DType::f64)
        update<double>(device, step);
    else
        update<float>(device, step);
}

}  // namespace tandem

#include <cmath>

#include "ops/adamw/adamw_kernels.h"
#include "ops/simd/parallel.h"

namespace tandem {

namespace {

template <class T> void update(const CpuDevice& device, const AdamwStep& s) {
    const AdamwScalars<T> c(s);
    T *p = s.master.as<T>(), *gradient = s.gradient.as<T>(), *m = s.m.as<T>(), *v = s.v.as<T>();
    simd::parallel_blocks(device, s.master.elements(), [=](std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; i++) {
            const T g = gradient[i] * c.scale;
            const T m1 = m[i] + c.rate1 * (g - m[i]);
            const T v1 = v[i] * c.beta2 + c.rate2 * g * g;
            const T denominator = std::sqrt(v1) / c.root2 + c.eps;
            p[i] = p[i] * c.keep - c.size * m1 / denominator;
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

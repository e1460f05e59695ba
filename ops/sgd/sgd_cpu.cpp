#include "ops/sgd/sgd_kernels.h"
#include "ops/simd/parallel.h"

namespace tandem {

namespace {

template <class T> void update(const CpuDevice& device, const SgdStep& s) {
    const T lr = T(s.lr), decay = T(s.weight_decay), scale = T(s.gradient_scale);
    T *p = s.master.as<T>(), *gradient = s.gradient.as<T>();
    simd::parallel_blocks(device, s.master.elements(), [=](std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; i++) {
            const T g = gradient[i] * scale + decay * p[i];
            p[i] = p[i] - lr * g;
            gradient[i] = 0;
        }
    });
}

}  // namespace

void sgd_kernel(const CpuDevice& device, const SgdStep& step) {
    if (step.master.dtype() == DType::f64)
        update<double>(device, step);
    else
        update<float>(device, step);
}

}  // namespace tandem

// The twins' signatures.
#pragma once
#include <cmath>

#include "ops/adamw/adamw.h"

namespace tandem {

// A step's scalars in the tensors' type, each rounded once.
template <class T> struct AdamwScalars {
    T keep, rate1, beta2, rate2, size, root2, eps, scale;
    explicit AdamwScalars(const AdamwStep& s)
        : keep(T(1 - s.lr * s.weight_decay)),
          rate1(T(1 - s.beta1)),
          beta2(T(s.beta2)),
          rate2(T(1 - s.beta2)),
          size(T(s.lr / (1 - std::pow(s.beta1, double(s.step))))),
          root2(T(std::sqrt(1 - std::pow(s.beta2, double(s.step))))),
          eps(T(s.eps)),
          scale(T(s.gradient_scale)) {}
};

void adamw_kernel(const CpuDevice& device, const AdamwStep& step);
void adamw_kernel(const CudaDevice& device, const AdamwStep& step);

}  // namespace tandem

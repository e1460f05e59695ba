// AdamW (Loshchilov and Hutter, 2019), operation for operation as torch.optim.AdamW has it, nothing fused:
//   p *= 1 - lr * weight_decay;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g g
//   p -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
// with g = gradient * gradient_scale. The scalars are computed in double and rounded to the tensors' type.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct AdamwStep {
    Tensor master, gradient, m, v;  // f32 | f64 [n]; the gradient is left zero
    double lr, beta1, beta2, eps, weight_decay;
    double gradient_scale;  // of clipping
    std::int64_t step;      // from 1
};
void adamw(Context& ctx, const AdamwStep& step);

}  // namespace tandem

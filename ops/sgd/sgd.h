// Stochastic gradient descent without momentum, as torch.optim.SGD has it:
//   p -= lr * (g + weight_decay * p),   g = gradient * gradient_scale.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct SgdStep {
    Tensor master, gradient;  // f32 | f64 [n]; the gradient is left zero
    double lr, weight_decay;
    double gradient_scale;  // of clipping
};
void sgd(Context& ctx, const SgdStep& step);

}  // namespace tandem

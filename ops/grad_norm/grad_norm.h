// The square of a gradient's norm, in double; infinite or NaN where the gradient is.
#pragma once
#include "runtime/context.h"

namespace tandem {

void sum_of_squares(Context& ctx, const Tensor& gradient,  // f32 | f64 [n]
                    const Tensor& out);                    // f64 [1]

}  // namespace tandem

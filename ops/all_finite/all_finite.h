// Whether a tensor holds neither NaN nor infinity.
#pragma once
#include "runtime/context.h"

namespace tandem {

void all_finite(Context& ctx, const Tensor& x,  // f64 | f32 | bf16, any shape
                const Tensor& out);             // f64 [1]: 1 if so, else 0

}  // namespace tandem

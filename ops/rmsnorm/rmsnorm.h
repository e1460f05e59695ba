// Root mean square norm over the last dimension (Zhang and Sennrich, 2019), as Llama has it:
//   y[t,i] = weight[i] * cast(x[t,i] / sqrt(mean_i x[t,i]^2 + eps)),   sums in f32 (f64 for f64), cast to x's type.
#pragma once
#include "runtime/context.h"

namespace tandem {

Value rmsnorm(Context& ctx, const Value& x,  // [tokens, hidden]  f64 | f32 | bf16
              const Param& weight,           // [hidden]
              double eps);

}  // namespace tandem

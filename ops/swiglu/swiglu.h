// y = silu(gate) * up, where silu(g) = g / (1 + e^-g) (Shazeer, GLU Variants Improve Transformer, 2020); computed in
// f32 (f64 for f64) and rounded once, to y. Backward computes the sigmoid again.
#pragma once
#include "runtime/context.h"

namespace tandem {

Value swiglu(Context& ctx, const Value& gate, const Value& up);  // of one shape and type, f64 | f32 | bf16

}  // namespace tandem

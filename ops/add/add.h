// y = a + b, rounded once. In backward both take dy as it is: nothing is copied where it is their first gradient.
#pragma once
#include "runtime/context.h"

namespace tandem {

Value add(Context& ctx, const Value& a, const Value& b);  // of one shape and type, f64 | f32 | bf16

}  // namespace tandem

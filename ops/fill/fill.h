// Zeros.
#pragma once
#include "runtime/context.h"

namespace tandem {

void fill_zero(Context& ctx, const Tensor& t);  // any type

}  // namespace tandem

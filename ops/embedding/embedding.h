// y[t] = weight[tokens[t]]. An id outside the vocabulary is an Error; on a card, where kernels cannot throw, y[t] is
// NaN and dy[t] goes nowhere. Backward adds dy[t] to its row of the gradient, tokens in order; rows that no token names
// are not touched.
#pragma once
#include "runtime/context.h"

namespace tandem {

Value embedding(Context& ctx, const Tensor& tokens,  // i32 [tokens]
                const Param& weight);                // [vocab, hidden]; -> [tokens, hidden] of its type

}  // namespace tandem

// Rotary position embedding (Su et al., 2021) in the rotate-half convention of HF checkpoints: each head's row is (x1,
// x2),
//   y1 = x1 * cos - x2 * sin,   y2 = x2 * cos + x1 * sin,   in f32 (f64 for f64), rounded once to x's type.
#pragma once
#include "runtime/context.h"

namespace tandem {

// f64 in f64 graphs, else f32; any factor on the rotation (yarn's attention factor) is in both.
struct RopeTable {
    Tensor cos, sin;  // [max_positions, head_dim / 2]
};

// A position outside the table is an Error; on a card, where kernels cannot throw, that token's row is NaN. Backward
// rotates back.
Value rope(Context& ctx, const Value& x,  // [tokens, heads * head_dim]  f64 | f32 | bf16
           const Tensor& positions,       // [tokens]  i32
           const RopeTable& table, int head_dim);

}  // namespace tandem

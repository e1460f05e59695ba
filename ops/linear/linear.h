// A linear map, whatever its weight is: dense or quantized, with or without bias and LoRA (Hu et al., 2021):
//   y = x W^T + bias + scale * drop(x) A^T B^T
// drop is inverted dropout (ops/dropout). A quantized W is frozen and is dequantized to x's type with one rounding.
// In bf16 the products are summed in f32; x W^T + bias and A's product are each rounded once, then the sum with LoRA.
// Gradients of A, B, bias and of a trained W are summed in the gradient type (f32, or f64).
#pragma once
#include <optional>

#include "quant/formats.h"
#include "runtime/context.h"
#include "runtime/random_site.h"

namespace tandem {

struct Weight {
    Param param;                     // [out, in]; of a quantized weight: the place of its bytes (quant_parts)
    std::optional<QuantSpec> quant;  // empty: dense
};

struct Lora {
    Param a, b;             // [rank, in], [out, rank]
    double scale = 1;       // alpha / rank, or alpha / sqrt(rank)
    double dropout = 0;     // probability of dropping
    RandomSite site{};      // of the dropout's random numbers; no two modules share one
};

struct Linear {
    Weight weight;
    Param bias;  // [out], may be none
    std::optional<Lora> lora;
};

Value linear(Context& ctx, const Value& x,  // [tokens, in]  f64 | f32 | bf16
             const Linear& w);              // -> [tokens, out]

}  // namespace tandem

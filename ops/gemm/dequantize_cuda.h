// 4-bit weights to f32 or bf16 on a card.
#pragma once
#include "quant/quant_tensor.h"

struct CUstream_st;

namespace tandem {

// out[i] as quant/quantize.h's dequantize has it, bit for bit. `weight` and `out` are 256-byte aligned.
void dequantize(CUstream_st* stream, const QuantSpec& spec, std::int64_t elements, const std::byte* weight,
                DType dtype,      // f32 | bf16
                std::byte* out);  // [elements]

}  // namespace tandem

// Quantized weights to f32 or bf16 on a card.
#pragma once
#include "quant/formats.h"

struct CUstream_st;

namespace tandem {

// out[i] as quant/quantize.h's dequantize has it, bit for bit. The weight's bytes and `out` are 256-byte aligned.
void dequantize(CUstream_st* stream, const QuantTensor& weight,
                DType dtype,      // f32 | bf16
                std::byte* out);  // [rows, cols]

}  // namespace tandem

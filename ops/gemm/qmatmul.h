// Products with a 4-bit weight on a card.
#pragma once
#include "quant/quant_tensor.h"
#include "runtime/autograd.h"
#include "runtime/cuda/cuda_device.h"

namespace tandem {

struct Block4Weight {
    QuantSpec spec;
    std::int64_t out = 0, in = 0;
    const std::byte* bytes = nullptr;  // under the lease held now
};

// y = x W^T + bias, W dequantized to x's type with one rounding, sums in f32. Few tokens: kernels that read the codes
// once; more: W is dequantized, one weight ahead. Which of them follows from the shape and the card.
struct QMatmul {
    Tensor x;  // [tokens, in]  f32 | bf16
    Block4Weight weight;
    Tensor bias;  // empty: none
    Tensor y;     // [tokens, out]
};
void qmatmul(const CudaDevice& device, const QMatmul& args);

// dx = addend + dy W
struct QMatmulTransposed {
    Tensor dy;
    Block4Weight weight;
    GradOut dx;
};
void qmatmul_transposed(const CudaDevice& device, const QMatmulTransposed& args);

// The ways of qmatmul, for it alone and for tests. Those that read codes need in % 32 == 0.
void qmatmul_few(const CudaDevice& device, const QMatmul& args);   // at most 8 tokens
void qmatmul_some(const CudaDevice& device, const QMatmul& args);  // bf16; about 9 to 128 tokens
void qmatmul_tile(const CudaDevice& device, const QMatmul& args);  // any

}  // namespace tandem

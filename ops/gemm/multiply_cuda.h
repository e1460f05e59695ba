// Products on a card, whatever their alignment.
#pragma once
#include <fmt/core.h>

#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/matmul.h"
#include "runtime/tensor.h"

namespace tandem {

// cuBLASLt where pointers and strides are multiples of 16 bytes, else plain_matmul. Nothing to sum (k = 0) is a sum of
// 0.
void multiply(const CudaDevice& device, const MatmulArgs& args);

// Any sizes and strides, sums in f32 in the order of k. Of no speed in particular.
void plain_matmul(CUstream_st* stream, const MatmulArgs& args);

// Its arguments from tensors: c = addend + a b, summed over k.
inline MatmulOperand matmul_operand(const Tensor& t) { return {t.data(), t.dim(-1), false}; }
inline MatmulOperand matmul_transposed(const Tensor& t) { return {t.data(), t.dim(-1), true}; }
// That both are of: there are no mixed products on a card.
inline DType common_type(const Tensor& a, const Tensor& b) {
    if (a.dtype() == b.dtype()) return a.dtype();
    throw Error(
        fmt::format("[matmul] expected factors of one type on a card, got {} and {}; load weights in the type "
                    "that is computed in",
                    name_of(a.dtype()), name_of(b.dtype())));
}
inline MatmulArgs matmul_args(const Tensor& c, std::int64_t k, DType type, const MatmulOperand& a,
                              const MatmulOperand& b, const Tensor& addend = {}) {
    return {.m = c.rows(),
            .n = c.dim(-1),
            .k = k,
            .type = type,
            .a = a,
            .b = b,
            .c = c.data(),
            .c_type = c.dtype(),
            .c_stride = c.dim(-1),
            .addend = addend.data()};
}

}  // namespace tandem

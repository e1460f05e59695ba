// gemm's arguments from tensors.
#pragma once
#include "ops/gemm/gemm.h"
#include "runtime/tensor.h"

namespace tandem {

inline GemmOperand operand(const Tensor& t) { return {t.data(), t.dtype(), t.dim(-1)}; }

// Multiplied as its transpose.
inline GemmOperand transposed(const Tensor& t) { return {t.data(), t.dtype(), t.dim(-1), true}; }

// c = a b, summed over k.
inline GemmArgs product(const Tensor& c, std::int64_t k, const GemmOperand& a, const GemmOperand& b) {
    GemmArgs g{.m = c.rows(), .n = c.dim(-1), .k = k, .a = a, .b = b};
    g.c = c.data();
    g.c_dtype = c.dtype();
    g.c_stride = c.dim(-1);
    return g;
}

}  // namespace tandem

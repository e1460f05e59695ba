// The matrix product of the ops, for any device and any format of weight: C = alpha * A B (+ addend) (+ bias).
// On the CPU a packer per format of operand brings panels into the layout that the micro-kernel of this machine wants;
// sums are kept in double for f64, else in float; the order of a sum depends on the shape and the micro-kernel only.
// On a card dense products are cuBLASLt's, and those of a quantized weight read its codes once (few rows of A), or
// dequantize it, one weight ahead; which follows from the shape and the card. Sums are kept in f32.
#pragma once
#include <cstdint>

#include "quant/formats.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/tensor.h"

namespace tandem {

struct MatmulOperand {
    const void* data = nullptr;          // null when quantized
    DType dtype = DType::f32;            // f64 | f32 | bf16; the type a quantized weight is dequantized to is that of A
    std::int64_t stride = 0;             // elements from one stored row to the next
    bool transposed = false;             // A is stored [k, m], B is stored [n, k]
    const QuantTensor* quant = nullptr;  // B only: rows x cols is [n, k] if transposed, else [k, n]
};

struct MatmulArgs {
    std::int64_t m = 0, n = 0, k = 0;
    MatmulOperand a;               // [m, k]
    MatmulOperand b;               // [k, n]
    void* c = nullptr;             // [m, n] f64 | f32 | bf16
    DType c_dtype = DType::f32;
    std::int64_t c_stride = 0;
    const void* addend = nullptr;  // [m, n] of C's type and stride; may be C itself; null: none
    const void* bias = nullptr;    // [n] of A's type, which is then C's on a card too; null: none
    double alpha = 1;              // c = round(addend + bias + alpha * sum), one rounding to C's type
};

// A and B are both f64, both f32, or both bf16 (products of bf16 are summed in float). On the CPU a mixed pair is
// computed in the wider of the two; on a card it is an Error, as is f64. A quantized B is dequantized to A's type with
// one rounding, as FORMATS say.
void matmul(const CpuDevice& device, const MatmulArgs& args);
void matmul(const CudaDevice& device, const MatmulArgs& args);

// The name of the micro-kernel chosen from cpuid: "scalar", "avx2", "avx512", "avx512-bf16". Results may depend on it.
const char* matmul_kernel_name(DType dtype);

// Its arguments from tensors.
inline MatmulOperand operand(const Tensor& t) { return {t.data(), t.dtype(), t.dim(-1)}; }
// Multiplied as its transpose.
inline MatmulOperand transposed(const Tensor& t) { return {t.data(), t.dtype(), t.dim(-1), true}; }
// c = addend + a b, summed over k.
inline MatmulArgs product(const Tensor& c, std::int64_t k, const MatmulOperand& a, const MatmulOperand& b,
                          const Tensor& addend = {}) {
    MatmulArgs g{.m = c.rows(), .n = c.dim(-1), .k = k, .a = a, .b = b};
    g.c = c.data();
    g.c_dtype = c.dtype();
    g.c_stride = c.dim(-1);
    g.addend = addend.data();
    return g;
}

}  // namespace tandem

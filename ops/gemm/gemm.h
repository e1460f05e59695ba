// One blocked matrix product for every format of weight: C = alpha * A B (+ addend) (+ bias).
// A packer per operand format brings panels into the layout that the micro-kernel of this machine wants.
// Sums are kept in double for f64, else in float; the order of a sum depends on the shape and the micro-kernel only.
#pragma once
#include <cstdint>

#include "quant/quant_tensor.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/dtype.h"

namespace tandem {

struct GemmOperand {
    const void* data = nullptr;          // null when quantized
    DType dtype = DType::f32;            // f64 | f32 | bf16; the type a quantized weight is dequantized to is that of A
    std::int64_t stride = 0;             // elements from one stored row to the next
    bool transposed = false;             // A is stored [k, m], B is stored [n, k]
    const QuantTensor* quant = nullptr;  // B only: rows x cols is [n, k] if transposed, else [k, n]
};

struct GemmArgs {
    std::int64_t m = 0, n = 0, k = 0;
    GemmOperand a;                 // [m, k]
    GemmOperand b;                 // [k, n]
    void* c = nullptr;             // [m, n] f64 | f32 | bf16
    DType c_dtype = DType::f32;
    std::int64_t c_stride = 0;
    const void* addend = nullptr;  // [m, n] of C's type and stride; may be C itself; null: none
    const void* bias = nullptr;    // [n] of A's type; null: none
    double alpha = 1;              // c = round(addend + bias + alpha * sum), one rounding to C's type
};

// A and B are both f64, both f32, or both bf16 (products of bf16 are summed in float); a mixed pair is computed in the
// wider of the two. A quantized B is dequantized to A's type with one rounding, as FORMATS say.
void gemm(const CpuDevice& device, const GemmArgs& args);

// The name of the micro-kernel chosen from cpuid: "scalar", "avx2", "avx512", "avx512-bf16". Results may depend on it.
const char* gemm_kernel_name(DType dtype);

}  // namespace tandem

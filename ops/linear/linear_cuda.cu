#include "ops/gemm/multiply_cuda.h"
#include "ops/gemm/qmatmul.h"
#include "ops/linear/linear_kernels.h"

namespace tandem {

namespace {

MatmulOperand operand(const Tensor& t, bool transposed) { return {t.data(), t.dim(-1), transposed}; }

Block4Weight block4(const WeightBytes& w) {
    return {*w.quant, w.bytes.dim(0), w.bytes.dim(1), w.bytes.data()};
}

// c = addend + alpha * a b
void product(const CudaDevice& device, std::int64_t k, const Tensor& a, bool a_transposed, const Tensor& b,
             bool b_transposed, double alpha, const GradOut& c, const Tensor& bias = {}) {
    multiply(device, {.m = c.out.rows(),
                      .n = c.out.dim(-1),
                      .k = k,
                      .type = a.dtype(),
                      .a = operand(a, a_transposed),
                      .b = operand(b, b_transposed),
                      .c = c.out.data(),
                      .c_type = c.out.dtype(),
                      .c_stride = c.out.dim(-1),
                      .addend = c.addend.data(),
                      .bias = bias.data(),
                      .alpha = float(alpha)});
}

}  // namespace

}  // namespace tandem

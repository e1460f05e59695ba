#include "ops/gemm/matmul.h"

#include <fmt/core.h>

#include "ops/gemm/dense_product.h"
#include "ops/gemm/qmatmul.h"

namespace tandem {

namespace {

bool aligned(const void* data, std::int64_t stride, DType type) {
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride * std::int64_t(size_of(type)) % 16 == 0;
}

DenseOperand dense(const MatmulOperand& o) { return {static_cast<const std::byte*>(o.data), o.stride, o.transposed}; }

}  // namespace

void multiply(const CudaDevice& device, const DenseProduct& p) {
    if (p.m == 0 || p.n == 0) return;
    const bool fits = p.k > 0 && aligned(p.a.data, p.a.stride, p.type) && aligned(p.b.data, p.b.stride, p.type) &&
                      aligned(p.c, p.c_stride, p.c_type) && aligned(p.addend, 0, p.c_type) &&
                      aligned(p.bias, 0, p.c_type);
    if (fits)
        device.matmul->run(device.stream, p);
    else
        plain_matmul(device.stream, p);
}

DenseProduct dense_product(const MatmulArgs& p, const DenseOperand& b) {
    return {.m = p.m,
            .n = p.n,
            .k = p.k,
            .type = p.a.dtype,
            .a = dense(p.a),
            .b = b,
            .c = static_cast<std::byte*>(p.c),
            .c_type = p.c_dtype,
            .c_stride = p.c_stride,
            .addend = static_cast<const std::byte*>(p.addend),
            .bias = static_cast<const std::byte*>(p.bias),
            .alpha = float(p.alpha)};
}

void matmul(const CudaDevice& device, const MatmulArgs& p) {
    if (p.m == 0 || p.n == 0) return;
    if (p.bias && p.c_dtype != p.a.dtype)
        throw Error(fmt::format("[matmul] expected C of A's type where a bias is added on a card, got {} and {}",
                                name_of(p.c_dtype), name_of(p.a.dtype)));
    if (p.b.quant) return qmatmul(device, p);
    if (p.a.dtype != p.b.dtype)
        throw Error(fmt::format("[matmul] expected factors of one type on a card, got {} and {}; load weights in the "
                                "type that is computed in",
                                name_of(p.a.dtype), name_of(p.b.dtype)));
    multiply(device, dense_product(p, dense(p.b)));
}

}  // namespace tandem

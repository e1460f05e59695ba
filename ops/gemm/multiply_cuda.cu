#include "ops/gemm/multiply_cuda.h"

namespace tandem {

namespace {

bool aligned(const void* data, std::int64_t stride, DType type) {
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride * std::int64_t(size_of(type)) % 16 == 0;
}

}  // namespace

void multiply(const CudaDevice& device, const MatmulArgs& p) {
    if (p.m == 0 || p.n == 0) return;
    const bool fits = p.k > 0 && aligned(p.a.data, p.a.stride, p.type) && aligned(p.b.data, p.b.stride, p.type) &&
                      aligned(p.c, p.c_stride, p.c_type) && aligned(p.addend, 0, p.c_type) &&
                      aligned(p.bias, 0, p.c_type);
    if (fits)
        device.matmul->run(device.stream, p);
    else
        plain_matmul(device.stream, p);
}

}  // namespace tandem

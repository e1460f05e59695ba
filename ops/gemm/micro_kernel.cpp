#include "ops/gemm/micro_kernel.h"

#include "ops/gemm/machines.h"

namespace tandem {

namespace {
constexpr const MicroKernel* kernels[] = {&avx512_bf16_kernel, &avx512_kernel, &avx2_kernel, &scalar_f32_kernel,
                                          &scalar_f64_kernel};

const MicroKernel& best(DType dtype) {
    for (const MicroKernel* kernel : kernels)
        if (size_of(kernel->type) >= size_of(dtype) && kernel->supported()) return *kernel;
    return scalar_f64_kernel;
}
}  // namespace

std::span<const MicroKernel* const> micro_kernels() { return kernels; }

const MicroKernel& micro_kernel_for(DType dtype) {
    static const MicroKernel &f64 = best(DType::f64), &f32 = best(DType::f32), &bf16 = best(DType::bf16);
    return dtype == DType::f64 ? f64 : dtype == DType::f32 ? f32 : bf16;
}

}  // namespace tandem

#include "ops/grad_norm/grad_norm_kernels.h"
#include "ops/simd/parallel.h"
#include "ops/simd/sum.h"

namespace tandem {

namespace {

constexpr std::int64_t elements_per_block = 1 << 16;

template <class T> double block_sum(const T* x, std::int64_t n) {
    return simd::sum<double>(n, [x](std::int64_t i) { return double(x[i]) * double(x[i]); });
}

}  // namespace

// One sum per block, in shared scratch (16 MiB: 2^37 elements); then the blocks in order.
void sum_of_squares_kernel(const CpuDevice& device, const Tensor& gradient, const Tensor& out) {
    const std::int64_t n = gradient.elements(), blocks = (n + elements_per_block - 1) / elements_per_block;
    double* sums = reinterpret_cast<double*>(device.shared());
    auto sum_blocks = [&]<class T>(const T* x) {
        simd::parallel(device, blocks, [=](std::int64_t i) {
            const std::int64_t begin = i * elements_per_block;
            sums[i] = block_sum(x + begin, std::min(elements_per_block, n - begin));
        });
    };
    if (gradient.dtype() == DType::f64)
        sum_blocks(gradient.as<double>());
    else
        sum_blocks(gradient.as<float>());
    double total = 0;
    for (std::int64_t i = 0; i < blocks; i++) total += sums[i];
    *out.as<double>() = total;
}

}  // namespace tandem

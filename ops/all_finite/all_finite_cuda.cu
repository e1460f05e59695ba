#include "ops/all_finite/all_finite_kernels.h"
#include "ops/cuda/partial_sums.cuh"

namespace tandem {

namespace {

template <class T, int width> __global__ void __launch_bounds__(sum_threads)
    count_not_finite_kernel(const T* __restrict__ x, std::int64_t n, std::uint32_t* __restrict__ counts) {
    __shared__ std::uint32_t shared[sum_threads / 32];
    const std::uint32_t count = partial_sum<std::uint32_t, width>(x, n, shared, [](std::uint32_t sum, float v) {
        return sum + ((__float_as_uint(v) & 0x7f800000u) == 0x7f800000u);
    });
    if (threadIdx.x == 0) counts[blockIdx.x] = count;
}

__global__ void __launch_bounds__(sum_threads)
    all_finite_total_kernel(const std::uint32_t* __restrict__ counts, std::int64_t blocks, double* __restrict__ out) {
    __shared__ std::uint32_t shared[sum_threads / 32];
    // An or, not a sum, which could wrap to 0.
    std::uint32_t any = 0;
    for (std::int64_t i = threadIdx.x; i < blocks; i += sum_threads) any |= counts[i];
    any = block_sum(std::uint32_t(any != 0), shared);
    if (threadIdx.x == 0) *out = any == 0 ? 1 : 0;
}

}  // namespace

void all_finite_kernel(const CudaDevice& device, const Tensor& x, const Tensor& out) {
    const std::int64_t n = x.elements(), blocks = partial_count(n);
    auto* counts = reinterpret_cast<std::uint32_t*>(device.scratch);
    visit_cuda("all_finite", x.dtype(), [&]<class T>() {
        const T* values = device_data<T>(x);
        visit_width<T>(n, {values}, [&]<int width>() {
            launch(count_not_finite_kernel<T, width>, {dim3(unsigned(blocks)), dim3(sum_threads), 0, device.stream},
                   values, n, counts);
        });
    });
    launch(all_finite_total_kernel, {dim3(1), dim3(sum_threads), 0, device.stream}, counts, blocks,
           device_data<double>(out));
}

}  // namespace tandem

#include "ops/cuda/partial_sums.cuh"
#include "ops/grad_norm/grad_norm_kernels.h"

namespace tandem {

namespace {

template <int width> __global__ void __launch_bounds__(sum_threads)
    squares_kernel(const float* __restrict__ x, std::int64_t n, double* __restrict__ sums) {
    __shared__ double shared[sum_threads / 32];
    // A float's square is exact in double: fused or not, the bits are the same. Few cards are fast in double.
    const double sum =
        partial_sum<double, width>(x, n, shared, [](double sum, float v) { return fma(double(v), double(v), sum); });
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(sum_threads)
    squares_total_kernel(const double* __restrict__ sums, std::int64_t blocks, double* __restrict__ out) {
    __shared__ double shared[sum_threads / 32];
    const double total = sum_of_partials(sums, blocks, shared);
    if (threadIdx.x == 0) *out = total;
}

}  // namespace

void sum_of_squares_kernel(const CudaDevice& device, const Tensor& gradient, const Tensor& out) {
    const std::int64_t n = gradient.elements(), blocks = partial_count(n);
    const float* x = device_data<float>(gradient);
    double* sums = reinterpret_cast<double*>(device.scratch);
    visit_width<float>(n, {x}, [&]<int width>() {
        launch(squares_kernel<width>, {dim3(unsigned(blocks)), dim3(sum_threads), 0, device.stream}, x, n, sums);
    });
    launch(squares_total_kernel, {dim3(1), dim3(sum_threads), 0, device.stream}, sums, blocks,
           device_data<double>(out));
}

}  // namespace tandem

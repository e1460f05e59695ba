#include "ops/gemm/split_k.h"
#include "ops/linear/linear_kernels.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

namespace {

constexpr int threads = 128;
constexpr std::int64_t least_rows = 64;  // of a part

// sums[part, column], rows in order.
template <class T> __global__ void __launch_bounds__(threads)
    bias_gradient_kernel(const T* __restrict__ dy, float* __restrict__ sums, std::int64_t tokens, std::int64_t columns,
                         std::int64_t rows_of_part) {
    const std::int64_t column = std::int64_t(blockIdx.x) * threads + threadIdx.x;
    const std::int64_t begin = std::int64_t(blockIdx.y) * rows_of_part, end = min(begin + rows_of_part, tokens);
    if (column >= columns) return;
    float sum = 0;
#pragma unroll 8
    for (std::int64_t row = begin; row < end; row++) sum += to_float(dy[row * columns + column]);
    sums[blockIdx.y * columns + column] = sum;
}

}  // namespace

void linear_bias_gradient(const CudaDevice& device, const Tensor& dy, const GradOut& dbias) {
    const std::int64_t tokens = dy.rows(), columns = dbias.out.elements(), tiles = (columns + threads - 1) / threads;
    if (tokens == 0) return;
    const SplitK cut = split_k(tiles, tokens, least_rows, columns);
    float* sums = reinterpret_cast<float*>(device.scratch);
    visit_cuda("linear_bias_gradient", dy.dtype(), [&]<class T>() {
        launch(bias_gradient_kernel<T>, {dim3(unsigned(tiles), unsigned(cut.parts)), dim3(threads), 0, device.stream},
               device_data<T>(dy), sums, tokens, columns, cut.steps);
    });
    add_partial_sums(device, {.sums = sums,
                              .parts = cut.parts,
                              .elements = columns,
                              .columns = columns,
                              .c_type = DType::f32,
                              .c = dbias.out.data(),
                              .addend = dbias.addend.data()});
}

}  // namespace tandem

// Small kernels with one planted mistake each.
#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"
#include "tests/cudasim/ptx_emulation.h"

namespace cudasim::kernels {
namespace {

constexpr int block = 128;

__global__ void divergent_barrier_kernel(float* out) {
    if (threadIdx.x < 64) {
        out[threadIdx.x] = 1;
        __syncthreads();
    } else {
        out[threadIdx.x] = 2;
        __syncthreads();
    }
}
__global__ void early_return_kernel(float* out) {
    if (threadIdx.x >= 100) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}
__global__ void wrong_mask_kernel(float* out) {
    float v = float(threadIdx.x);
    if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);  // lanes 16 to 31 never come
    out[threadIdx.x] = v;
}
__global__ void different_collectives_kernel(float* out) {
    const bool low = threadIdx.x % 32 < 16;
    out[threadIdx.x] = low ? __shfl_xor_sync(0xffffffffu, 1.0f, 1) : float(__any_sync(0xffffffffu, 1));
}
__global__ void overrun_kernel(float* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) out[i] = 1;
}
__global__ void shared_overrun_kernel(float* out) {
    auto* s = static_cast<float*>(dynamic_shared());
    s[threadIdx.x + 1] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}
__global__ void static_shared_overrun_kernel(float* out, int by) {
    __shared__ float s[block];
    s[threadIdx.x + by] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}
template <Neighbour neighbour> __global__ void read_neighbour_kernel(const float* in, float* out) {
    __shared__ float s[block];
    s[threadIdx.x] = in[threadIdx.x];
    if constexpr (neighbour == Neighbour::right_with_barrier) __syncthreads();
    out[threadIdx.x] = s[(threadIdx.x + (neighbour == Neighbour::left ? block - 1 : 1)) % block];
}
__global__ void race_between_blocks_kernel(float* out) {
    if (threadIdx.x == 0) out[0] += 1;
}
__global__ void unaligned_copy_kernel(const float* in, float* out) {
    auto* s = static_cast<float*>(dynamic_shared());
    ptx::cp_async16(s + threadIdx.x * 4, in + 1);
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
    out[threadIdx.x] = s[threadIdx.x * 4];
}

}  // namespace

cudaError_t divergent_barrier(float* out, cudaStream_t stream) {
    return launch(divergent_barrier_kernel, dim3(1), dim3(block), 0, stream, out);
}
cudaError_t early_return(float* out, cudaStream_t stream) {
    return launch(early_return_kernel, dim3(1), dim3(block), 0, stream, out);
}
cudaError_t wrong_mask(float* out, cudaStream_t stream) {
    return launch(wrong_mask_kernel, dim3(1), dim3(32), 0, stream, out);
}
cudaError_t lanes_at_different_collectives(float* out, cudaStream_t stream) {
    return launch(different_collectives_kernel, dim3(1), dim3(32), 0, stream, out);
}
cudaError_t overrun(float* out, int n, cudaStream_t stream) {
    return launch(overrun_kernel, dim3(n / block + 1), dim3(block), 0, stream, out, n);
}
cudaError_t shared_overrun(float* out, cudaStream_t stream) {
    return launch(shared_overrun_kernel, dim3(1), dim3(block), block * sizeof(float), stream, out);
}
cudaError_t static_shared_overrun(float* out, int by, cudaStream_t stream) {
    return launch(static_shared_overrun_kernel, dim3(1), dim3(block), 0, stream, out, by);
}
cudaError_t read_neighbour(Neighbour neighbour, const float* in, float* out, cudaStream_t stream) {
    auto* kernel = read_neighbour_kernel<Neighbour::right_with_barrier>;
    if (neighbour == Neighbour::right) kernel = read_neighbour_kernel<Neighbour::right>;
    if (neighbour == Neighbour::left) kernel = read_neighbour_kernel<Neighbour::left>;
    return launch(kernel, dim3(1), dim3(block), 0, stream, in, out);
}
cudaError_t race_between_blocks(float* out, int blocks, cudaStream_t stream) {
    return launch(race_between_blocks_kernel, dim3(blocks), dim3(32), 0, stream, out);
}
cudaError_t unaligned_copy(const float* in, float* out, cudaStream_t stream) {
    return launch(unaligned_copy_kernel, dim3(1), dim3(block), block * 16, stream, in, out);
}

}  // namespace cudasim::kernels

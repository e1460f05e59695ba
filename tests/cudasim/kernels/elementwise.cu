#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"

namespace cudasim::kernels {
namespace {

template <class F> __global__ void __launch_bounds__(256)
    map_kernel(const float* __restrict__ in, float* __restrict__ out, int n, F f) {
    int i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (i + 3 < n) {
        const float4 v = __ldg(reinterpret_cast<const float4*>(in + i));
        *reinterpret_cast<float4*>(out + i) = make_float4(f(v.x), f(v.y), f(v.z), f(v.w));
    } else {
        for (; i < n; ++i) out[i] = f(in[i]);
    }
}

struct Silu {
    __device__ __forceinline__ float operator()(float v) const { return v / (1.0f + __expf(-v)); }
};

__global__ void __launch_bounds__(256)
    scale_and_shift_kernel(const float* __restrict__ in, float* __restrict__ out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[i] * 2.0f + 1.0f;
}

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
    return v;
}

__global__ void __launch_bounds__(1024) rmsnorm_kernel(const bf16* __restrict__ in, const bf16* __restrict__ weight,
                                                       bf16* __restrict__ out, int columns, float epsilon) {
    __shared__ float partial[32];
    const bf16* row = in + std::size_t(blockIdx.x) * columns;
    float sum = 0;
    for (int i = threadIdx.x * 2; i < columns; i += blockDim.x * 2) {
        const float2 v = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(row + i));
        sum += v.x * v.x + v.y * v.y;
    }
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = warp_sum(threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : 0.0f);
    const float scale = rsqrtf(sum / columns + epsilon);
    for (int i = threadIdx.x * 2; i < columns; i += blockDim.x * 2) {
        const float2 v = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(row + i));
        const float2 w = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(weight + i));
        *reinterpret_cast<__nv_bfloat162*>(out + std::size_t(blockIdx.x) * columns + i) =
            __floats2bfloat162_rn(v.x * scale * w.x, v.y * scale * w.y);
    }
}

}  // namespace

cudaError_t silu(const float* in, float* out, int n, cudaStream_t stream) {
    return launch(map_kernel<Silu>, dim3((n + 1023) / 1024), dim3(256), 0, stream, in, out, n, Silu{});
}
cudaError_t scale_and_shift(const float* in, float* out, int n, cudaStream_t stream) {
    return launch(scale_and_shift_kernel, dim3((n + 255) / 256), dim3(256), 0, stream, in, out, n);
}
cudaError_t rmsnorm(const bf16* in, const bf16* weight, bf16* out, int rows, int columns, int block,
                    cudaStream_t stream) {
    return launch(rmsnorm_kernel, dim3(rows), dim3(block), 0, stream, in, weight, out, columns, 1e-5f);
}

}  // namespace cudasim::kernels

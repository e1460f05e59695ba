// Sums and maxima over a warp or a block, in an order fixed by the lanes.
#pragma once
#include <cuda_runtime.h>

namespace tandem {

inline constexpr unsigned all_lanes = 0xffffffffu;

// Every lane gets the result.
template <class T> __device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(all_lanes, v, d);
    return v;
}
__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) v = fmaxf(v, __shfl_xor_sync(all_lanes, v, d));
    return v;
}

// Every thread gets the result. `partial` has blockDim.x / 32 places in shared memory; blockDim.x is a multiple of 32,
// at most 1024. Two barriers: `partial` may be used again afterwards.
template <class T> __device__ __forceinline__ T block_sum(T v, T* partial) {
    v = warp_sum(v);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
    __syncthreads();
    v = warp_sum(threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : T(0));
    __syncthreads();
    return v;
}
__device__ __forceinline__ float block_max(float v, float* partial) {
    v = warp_max(v);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
    __syncthreads();
    v = warp_max(threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : -INFINITY);
    __syncthreads();
    return v;
}

}  // namespace tandem

#include "ops/lm_head/softmax_cuda.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

constexpr int threads = 512;

// exp is taken of v - highest; the sum is scaled anew where `highest` grows.
struct RunningSum {
    float highest = -INFINITY, sum = 0;

    template <int n> __device__ __forceinline__ void add(const float (&v)[n]) {
        float now = highest;
#pragma unroll
        for (int i = 0; i < n; i++) now = fmaxf(now, v[i]);
        if (now != highest) sum *= expf(highest - now);
        highest = now;
#pragma unroll
        for (int i = 0; i < n; i++) sum += expf(v[i] - now);
    }
};

template <int width> __device__ __forceinline__ void load(float (&v)[width], const float* from) {
    if constexpr (width == 8) {
        const float4 a = reinterpret_cast<const float4*>(from)[0], b = reinterpret_cast<const float4*>(from)[1];
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    } else {
        v[0] = *from;
    }
}

template <int width> __device__ __forceinline__ void store(nv_bf16* to, const float (&v)[width]) {
    if constexpr (width == 8)
        *reinterpret_cast<uint4*>(to) = {pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]),
                                         pack_bf16(v[6], v[7])};
    else *to = from_float<nv_bf16>(v[0]);
}
template <int width> __device__ __forceinline__ void store(float* to, const float (&v)[width]) {
#pragma unroll
    for (int i = 0; i < width; i += 4)
        if constexpr (width == 8) *reinterpret_cast<float4*>(to + i) = {v[i], v[i + 1], v[i + 2], v[i + 3]};
        else *to = v[0];
}

// A block makes a row, a thread `width` columns of every width * threads.
template <int width>
__global__ void __launch_bounds__(threads)
    softmax_losses_kernel(const float* __restrict__ logits, const std::int32_t* __restrict__ targets,
                          double* __restrict__ losses, std::int64_t vocab) {
    __shared__ float highest[threads / 32];
    __shared__ double sums[threads / 32];
    const float* row = logits + blockIdx.x * vocab;
    RunningSum mine;
#pragma unroll 2
    for (std::int64_t i = std::int64_t(threadIdx.x) * width; i < vocab; i += threads * width) {
        float v[width];
        load(v, row + i);
        mine.add(v);
    }
    const float top = block_max(mine.highest, highest);
    const double sum = block_sum(double(mine.sum) * double(expf(mine.highest - top)), sums);
    if (threadIdx.x > 0) return;
    const std::int32_t target = targets[blockIdx.x];
    const bool known = target >= 0 && target < vocab;
    losses[blockIdx.x] = known ? log(sum) - (double(row[target]) - double(top)) : double(NAN);
}

template <class T, int width>
__global__ void __launch_bounds__(threads)
    softmax_gradient_kernel(const float* logits, const std::int32_t* __restrict__ targets,
                            const double* __restrict__ losses, float scale, T* dlogits, std::int64_t vocab) {
    const float* row = logits + blockIdx.x * vocab;
    const std::int32_t target = targets[blockIdx.x];
    const double lse = losses[blockIdx.x] + double(row[target >= 0 && target < vocab ? target : 0]);
    // In two floats: a rounded lse would be an error of the softmax in proportion to its size.
    const float lse_high = float(lse), lse_low = float(lse - double(lse_high));
    __syncthreads();  // dlogits may lie over the target's logit
    for (std::int64_t i = std::int64_t(threadIdx.x) * width; i < vocab; i += threads * width) {
        float v[width];
        load(v, row + i);
#pragma unroll
        for (int e = 0; e < width; e++) {
            const float p = expf((v[e] - lse_high) - lse_low);
            v[e] = (i + e == target ? p - 1 : p) * scale;
        }
        store(dlogits + blockIdx.x * vocab + i, v);
    }
}

}  // namespace

void softmax_losses(const CudaDevice& device, const Tensor& logits, const std::int32_t* targets, double* losses) {
    const LaunchConfig config{dim3(unsigned(logits.rows())), dim3(threads), 0, device.stream};
    const std::int64_t vocab = logits.dim(-1);
    launch(vocab % 8 == 0 ? softmax_losses_kernel<8> : softmax_losses_kernel<1>, config, device_data<float>(logits),
           targets, losses, vocab);
}

void softmax_gradient(const CudaDevice& device, const Tensor& logits, const std::int32_t* targets,
                      const double* losses, float scale, const Tensor& dlogits) {
    const LaunchConfig config{dim3(unsigned(logits.rows())), dim3(threads), 0, device.stream};
    const std::int64_t vocab = logits.dim(-1);
    visit_cuda("lm_head_loss", dlogits.dtype(), [&]<class T>() {
        launch(vocab % 8 == 0 ? softmax_gradient_kernel<T, 8> : softmax_gradient_kernel<T, 1>, config,
               device_data<float>(logits), targets, losses, scale, device_data<T>(dlogits), vocab);
    });
}

}  // namespace tandem

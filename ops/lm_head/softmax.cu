#include "ops/lm_head/softmax_cuda.h"
#include "runtime/cuda/vector.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

constexpr int threads = 512;

// exp is taken of v - highest; the sum is scaled anew where `highest` grows.
struct RunningSum {
    float highest = -INFINITY, sum = 0;

    template <int n> __device__ __forceinline__ void add(const Vector<float, n>& v) {
        float now = highest;
#pragma unroll
        for (int i = 0; i < n; i++) now = fmaxf(now, v[i]);
        if (now != highest) sum *= expf(highest - now);
        highest = now;
#pragma unroll
        for (int i = 0; i < n; i++) sum += expf(v[i] - now);
    }
};

// A block makes a row, a thread `width` columns of every width * threads.
template <int width> __global__ void __launch_bounds__(threads)
    softmax_losses_kernel(const float* __restrict__ logits, const std::int32_t* __restrict__ targets,
                          double* __restrict__ losses, std::int64_t vocab) {
    __shared__ float highest[threads / 32];
    __shared__ double sums[threads / 32];
    const float* row = logits + blockIdx.x * vocab;
    RunningSum mine;
#pragma unroll 2
    for (std::int64_t i = std::int64_t(threadIdx.x) * width; i < vocab; i += threads * width)
        mine.add(load<width>(row + i));
    const float top = block_max(mine.highest, highest);
    const double sum = block_sum(double(mine.sum) * double(expf(mine.highest - top)), sums);
    if (threadIdx.x > 0) return;
    const std::int32_t target = targets[blockIdx.x];
    const bool known = target >= 0 && target < vocab;
    losses[blockIdx.x] = known ? log(sum) - (double(row[target]) - double(top)) : double(NAN);
}

template <class T, int width> __global__ void __launch_bounds__(threads)
    softmax_gradient_kernel(const float* logits, const std::int32_t* __restrict__ targets,
                            const double* __restrict__ losses, float scale, T* dlogits, std::int64_t vocab) {
    const float* row = logits + blockIdx.x * vocab;
    const std::int32_t target = targets[blockIdx.x];
    const double lse = losses[blockIdx.x] + double(row[target >= 0 && target < vocab ? target : 0]);
    // In two floats: a rounded lse would be an error of the softmax in proportion to its size.
    const float lse_high = float(lse), lse_low = float(lse - double(lse_high));
    __syncthreads();  // dlogits may lie over the target's logit
    for (std::int64_t i = std::int64_t(threadIdx.x) * width; i < vocab; i += threads * width) {
        const Vector<float, width> v = load<width>(row + i);
        Vector<T, width> d;
#pragma unroll
        for (int e = 0; e < width; e++) {
            const float p = expf((v[e] - lse_high) - lse_low);
            d[e] = from_float<T>((i + e == target ? p - 1 : p) * scale);
        }
        store(dlogits + blockIdx.x * vocab + i, d);
    }
}

}  // namespace

void softmax_losses(const CudaDevice& device, const Tensor& logits, const std::int32_t* targets, double* losses) {
    const LaunchConfig config{dim3(unsigned(logits.rows())), dim3(threads), 0, device.stream};
    const std::int64_t vocab = logits.dim(-1);
    launch(vocab % 8 == 0 ? softmax_losses_kernel<8> : softmax_losses_kernel<1>, config, device_data<float>(logits),
           targets, losses, vocab);
}

void softmax_gradient(const CudaDevice& device, const Tensor& logits, const std::int32_t* targets, const double* losses,
                      float scale, const Tensor& dlogits) {
    const LaunchConfig config{dim3(unsigned(logits.rows())), dim3(threads), 0, device.stream};
    const std::int64_t vocab = logits.dim(-1);
    visit_cuda("lm_head_loss", dlogits.dtype(), [&]<class T>() {
        launch(vocab % 8 == 0 ? softmax_gradient_kernel<T, 8> : softmax_gradient_kernel<T, 1>, config,
               device_data<float>(logits), targets, losses, scale, device_data<T>(dlogits), vocab);
    });
}

}  // namespace tandem

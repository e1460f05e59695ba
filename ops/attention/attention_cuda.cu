// The cards' attention: bf16 on tensor cores, f32 in full f32, one query of a cache split over its keys.
#include "ops/attention/attention_cuda.cuh"
#include "runtime/cuda/check.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

using namespace cuda_attention;

constexpr int delta_warps = 8;

// delta [heads, tokens] = sum of dy * y over a head's columns; a warp for each.
template <class T> __global__ void __launch_bounds__(delta_warps * 32)
    attention_delta_kernel(const T* __restrict__ y, const T* __restrict__ dy, float* __restrict__ delta, Sizes s) {
    const std::int64_t item = std::int64_t(blockIdx.x) * delta_warps + threadIdx.x / 32;
    if (item >= std::int64_t(s.tokens) * s.heads) return;
    const int token = int(item / s.heads), head = int(item % s.heads), column = threadIdx.x % 32 * 8;
    const std::size_t at = s.q_at(token, head);
    float a[8], b[8], sum = 0;
    load8(a, y + at, column, s.dim, s.vectors);
    load8(b, dy + at, column, s.dim, s.vectors);
#pragma unroll
    for (int c = 0; c < 8; c++) sum = fmaf(a[c], b[c], sum);
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) delta[std::size_t(head) * s.tokens + token] = sum;
}

void forward(const char* op, const CudaDevice& device, const AttentionForward& a) {
    visit_cuda(op, a.q.dtype(), [&]<class T>() {
        if constexpr (std::is_same_v<T, nv_bf16>)
            flash_forward(device, a);
        else
            plain_forward(device, a);
    });
}

}  // namespace

void attention_forward(const CudaDevice& device, const AttentionForward& a) { forward("attention", device, a); }

void attention_backward(const CudaDevice& device, const AttentionBackward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    visit_cuda("attention", a.q.dtype(), [&]<class T>() {
        const std::int64_t items = std::int64_t(s.tokens) * s.heads;
        launch(attention_delta_kernel<T>,
               {unsigned((items + delta_warps - 1) / delta_warps), delta_warps * 32, 0, device.stream},
               device_data<T>(a.y), device_data<T>(a.dy), device_data<float>(a.delta), s);
        if constexpr (std::is_same_v<T, nv_bf16>) {
            if (a.dq) flash_backward_queries(device, a);
            if (a.dk || a.dv) flash_backward_keys(device, a);
        } else {
            if (a.dq) plain_backward_queries(device, a);
            if (a.dk || a.dv) plain_backward_keys(device, a);
        }
    });
}

void attention_cached_forward(const CudaDevice& device, const AttentionCached& a) {
    const std::int64_t fresh = a.q.dim(0), past = a.cache.past;
    if (fresh == 0) return;
    const Tensor k = a.cache.k.slice(0, past + fresh), v = a.cache.v.slice(0, past + fresh);
    auto append = [&](const Tensor& rows, const Tensor& fresh_rows) {
        cuda::check(cudaMemcpyAsync(rows.slice(past, past + fresh).data(), fresh_rows.data(), fresh_rows.bytes(),
                                    cudaMemcpyDeviceToDevice, device.stream),
                    "cudaMemcpyAsync(rows of a cache)");
    };
    append(k, a.k);
    append(v, a.v);
    const AttentionForward whole{a.q, k, v, {}, a.shape, a.y, {}};
    if (fresh == 1)
        decode(device, whole);
    else
        forward("attention_cached", device, whole);
}

}  // namespace tandem

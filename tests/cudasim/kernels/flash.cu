// FlashAttention-2 forward, one head: 64 queries per block, 16 per warp; keys and values stream through two shared
// buffers of 64 rows filled by cp.async.
#include <cstring>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"
#include "tests/cudasim/ptx_emulation.h"

namespace cudasim::kernels {
namespace {

constexpr int queries = 64, keys = 64, threads = 128;

template <int head_size> struct Tiles {
    static constexpr int stride = head_size + 8;  // 16 bytes of padding keep ldmatrix free of bank conflicts
    bf16 q[queries * stride];
    bf16 k[2][keys * stride];
    bf16 v[2][keys * stride];
};

template <int head_size> __device__ __forceinline__ void load_tile(bf16* to, const bf16* from) {
    for (int i = threadIdx.x; i < 64 * head_size / 8; i += threads) {
        int row = i / (head_size / 8), column = i % (head_size / 8) * 8;
        ptx::cp_async16(to + row * Tiles<head_size>::stride + column, from + std::size_t(row) * head_size + column);
    }
}

__device__ __forceinline__ std::uint32_t pack(float a, float b) {
    __nv_bfloat162 v = __floats2bfloat162_rn(a, b);
    std::uint32_t r;
    std::memcpy(&r, &v, sizeof r);
    return r;
}

// Scores of this warp's 16 queries with 64 keys.
template <int head_size, FlashBug bug>
__device__ __forceinline__ void score(float (&s)[keys / 8][4], const bf16* q, const bf16* k, int lane) {
    constexpr int stride = Tiles<head_size>::stride;
#pragma unroll
    for (int step = 0; step < head_size / 16; ++step) {
        std::uint32_t a[4];
        ptx::ldmatrix_x4(a, q + lane % 16 * stride + step * 16 + lane / 16 * 8);
        if constexpr (bug == FlashBug::swapped_fragments) {
            const std::uint32_t kept = a[1];
            a[1] = a[2];
            a[2] = kept;
        }
#pragma unroll
        for (int n = 0; n < keys / 16; ++n) {  // two blocks of 8 keys at once: registers b0 b1 of each
            std::uint32_t b[4];
            ptx::ldmatrix_x4(b, k + (n * 16 + lane / 16 * 8 + lane % 8) * stride + step * 16 + lane / 8 % 2 * 8);
            const std::uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
            ptx::mma_m16n8k16_bf16(s[2 * n], a, b0);
            ptx::mma_m16n8k16_bf16(s[2 * n + 1], a, b1);
        }
    }
}

// Scores become probabilities; what was summed before is scaled to the new maximum. Rows g and g + 8 of the warp's 16.
template <int head_size> __device__ __forceinline__ void softmax(float (&s)[keys / 8][4], float (&o)[head_size / 8][4],
                                                                 float (&top)[2], float (&sum)[2], float scale) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float m = top[half];
        for (int n = 0; n < keys / 8; ++n) m = fmaxf(m, scale * fmaxf(s[n][2 * half], s[n][2 * half + 1]));
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, 1));
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, 2));
        const float shrink = __expf(top[half] - m);
        float add = 0;
        for (int n = 0; n < keys / 8; ++n)
            for (int i = 2 * half; i < 2 * half + 2; ++i) add += s[n][i] = __expf(scale * s[n][i] - m);
        sum[half] = sum[half] * shrink + add;
        top[half] = m;
        for (int n = 0; n < head_size / 8; ++n) {
            o[n][2 * half] *= shrink;
            o[n][2 * half + 1] *= shrink;
        }
    }
}

template <int head_size, FlashBug bug> __device__ __forceinline__ void add_values(float (&o)[head_size / 8][4],
                                                                                  const float (&s)[keys / 8][4],
                                                                                  const bf16* v, int lane) {
#pragma unroll
    for (int step = 0; step < keys / 16; ++step) {
        const float *left = s[2 * step], *right = s[2 * step + 1];
        const std::uint32_t p[4] = {pack(left[0], left[1]), pack(left[2], left[3]), pack(right[0], right[1]),
                                    pack(right[2], right[3])};
#pragma unroll
        for (int n = 0; n < head_size / 16; ++n) {
            std::uint32_t b[4];
            const bf16* row = v + (step * 16 + lane % 16) * Tiles<head_size>::stride + n * 16 + lane / 16 * 8;
            if constexpr (bug == FlashBug::no_trans)
                ptx::ldmatrix_x4(b, row);
            else
                ptx::ldmatrix_x4_trans(b, row);
            const std::uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
            ptx::mma_m16n8k16_bf16(o[2 * n], p, b0);
            ptx::mma_m16n8k16_bf16(o[2 * n + 1], p, b1);
        }
    }
}

template <int head_size, FlashBug bug> __global__ void __launch_bounds__(threads)
    flash_kernel(const bf16* __restrict__ q, const bf16* __restrict__ k, const bf16* __restrict__ v,
                 bf16* __restrict__ out, int tokens, float scale) {
    auto& tile = *static_cast<Tiles<head_size>*>(dynamic_shared());
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * queries;
    load_tile<head_size>(tile.q, q + std::size_t(first) * head_size);
    load_tile<head_size>(tile.k[0], k);
    load_tile<head_size>(tile.v[0], v);
    if constexpr (bug != FlashBug::no_commit) ptx::cp_async_commit();

    float o[head_size / 8][4] = {}, top[2] = {-1e30f, -1e30f}, sum[2] = {0, 0};
    for (int step = 0; step < tokens / keys; ++step) {
        const int stage = step % 2;
        if (step + 1 < tokens / keys) {
            load_tile<head_size>(tile.k[stage ^ 1], k + std::size_t(step + 1) * keys * head_size);
            load_tile<head_size>(tile.v[stage ^ 1], v + std::size_t(step + 1) * keys * head_size);
            ptx::cp_async_commit();
            ptx::cp_async_wait<bug == FlashBug::no_wait ? 2 : 1>();
        } else {
            ptx::cp_async_wait<0>();
        }
        if constexpr (bug != FlashBug::no_barrier) __syncthreads();
        float s[keys / 8][4] = {};
        score<head_size, bug>(s, tile.q + warp * 16 * Tiles<head_size>::stride, tile.k[stage], lane);
        softmax<head_size>(s, o, top, sum, scale);
        add_values<head_size, bug>(o, s, tile.v[stage], lane);
        if constexpr (bug != FlashBug::no_barrier_before_overwrite) __syncthreads();
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float total = sum[half] + __shfl_xor_sync(0xffffffffu, sum[half], 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        const int row = first + warp * 16 + half * 8 + lane / 4;
        for (int n = 0; n < head_size / 8; ++n)
            *reinterpret_cast<__nv_bfloat162*>(out + std::size_t(row) * head_size + n * 8 + lane % 4 * 2) =
                __floats2bfloat162_rn(o[n][2 * half] / total, o[n][2 * half + 1] / total);
    }
}

}  // namespace

template <int head_size, FlashBug bug>
cudaError_t flash_forward(const bf16* q, const bf16* k, const bf16* v, bf16* out, int tokens, cudaStream_t stream) {
    auto* kernel = flash_kernel<head_size, bug>;
    const auto* function = reinterpret_cast<const void*>(kernel);
    const auto most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    if (cudaError_t e = cudaFuncSetAttribute(function, most, int(sizeof(Tiles<head_size>)))) return e;
    return launch(kernel, dim3(tokens / queries), dim3(threads), sizeof(Tiles<head_size>), stream, q, k, v, out, tokens,
                  1.0f / sqrtf(float(head_size)));
}

#define INSTANCE(D, BUG) \
    template cudaError_t flash_forward<D, BUG>(const bf16*, const bf16*, const bf16*, bf16*, int, cudaStream_t);
INSTANCE(64, FlashBug::none)
INSTANCE(128, FlashBug::none)
INSTANCE(64, FlashBug::no_wait)
INSTANCE(64, FlashBug::no_commit)
INSTANCE(64, FlashBug::no_barrier)
INSTANCE(64, FlashBug::no_barrier_before_overwrite)
INSTANCE(64, FlashBug::swapped_fragments)
INSTANCE(64, FlashBug::no_trans)

}  // namespace cudasim::kernels

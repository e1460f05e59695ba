// FlashAttention-2 (Dao, 2023) in bf16. A block has the queries of one tile and head, a warp MT times 16 of them; the
// keys and the values of 64 tokens are each on their way while the other is computed with. Keys are visited from the
// document's first on, so a row's bits do not depend on its tile: neither on its size nor on what else is in it.
#include "ops/attention/attention_cuda.cuh"
#include "ops/attention/flash_tiles.cuh"

namespace tandem::cuda_attention {

namespace {

using namespace flash;

constexpr int warps = 4, threads = warps * 32, keys_of_tile = 64;

template <int D, int MT> struct Shared {
    nv_bf16 q[warps * MT * 16 * D];
    nv_bf16 k[keys_of_tile * D];
    nv_bf16 v[keys_of_tile * D];
};

// What a lane keeps of its rows, two for each 16.
template <int D, int MT> struct RunningSoftmax {
    float y[MT][D / 8][4] = {};
    float max[MT][2], sum[MT][2];  // max: of the scores before scaling; sum: of the lane's own columns
};

// The online softmax for one tile of scores: their numerators, rounded, into p. The first query sees keys up to
// `diagonal`, counted from the tile's first.
template <int D, int MT>
__device__ __forceinline__ void softmax(RunningSoftmax<D, MT>& r, std::uint32_t (&p)[MT][keys_of_tile / 16][4],
                                        float (&s)[MT][keys_of_tile / 8][4], int diagonal, float scale_log2) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < MT; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int last = diagonal + m * 16 + half * 8 + lane / 4;
            float top = r.max[m][half];
#pragma unroll
            for (int n = 0; n < keys_of_tile / 8; n++)
#pragma unroll
                for (int i = half * 2; i < half * 2 + 2; i++) {
                    if (diagonal < keys_of_tile - 1 && n * 8 + lane % 4 * 2 + i % 2 > last) s[m][n][i] = -INFINITY;
                    top = fmaxf(top, s[m][n][i]);
                }
            top = fmaxf(top, __shfl_xor_sync(all_lanes, top, 1));
            top = fmaxf(top, __shfl_xor_sync(all_lanes, top, 2));
            const float shrink = ptx::exp2_approximate((r.max[m][half] - top) * scale_log2);
            const float base = top * scale_log2;
            float sum = 0;
#pragma unroll
            for (int n = 0; n < keys_of_tile / 8; n++)
#pragma unroll
                for (int i = half * 2; i < half * 2 + 2; i++) {
                    s[m][n][i] = ptx::exp2_approximate(fmaf(s[m][n][i], scale_log2, -base));
                    sum += s[m][n][i];
                }
            pack_rows<keys_of_tile>(p[m], s[m], half);
            r.max[m][half] = top;
            r.sum[m][half] = fmaf(r.sum[m][half], shrink, sum);
            if (!__any_sync(all_lanes, shrink != 1)) continue;  // the maxima of most rows are found early
#pragma unroll
            for (int n = 0; n < D / 8; n++) {
                r.y[m][n][half * 2] *= shrink;
                r.y[m][n][half * 2 + 1] *= shrink;
            }
        }
}

template <int D, int MT>
__device__ __forceinline__ void forward_tile(const nv_bf16* __restrict__ q, const nv_bf16* __restrict__ k,
                                             const nv_bf16* __restrict__ v, const int* __restrict__ cu_seqlens,
                                             nv_bf16* __restrict__ y, float* __restrict__ lse, const Sizes& s) {
    constexpr int tile = warps * MT * 16;
    Shared<D, MT>& shared = *dynamic_shared<Shared<D, MT>>();
    const int head = blockIdx.x % s.heads, kv_head = head / s.group;
    // The last tiles see the most keys: they start first.
    const DocumentTile at = tile_of_slot(cu_seqlens, s, tile, (gridDim.x - 1 - blockIdx.x) / s.heads);
    if (at.first >= at.length) return;
    const int keys = s.past + min(at.first + tile, at.length);
    const int stride = s.kv_heads() * s.dim;
    auto load_keys = [&](nv_bf16* to, const nv_bf16* from, int key) {
        load_rows<D, keys_of_tile, threads>(
            to, {from + s.k_at(at.begin + key, kv_head), stride, keys - key, s.dim, s.vectors});
        ptx::cp_async_commit();
    };
    load_rows<D, tile, threads>(
        shared.q, {q + s.q_at(at.begin + at.first, head), s.heads * s.dim, at.length - at.first, s.dim, s.vectors});
    load_keys(shared.k, k, 0);

    const int own = threadIdx.x / 32 * MT * 16, position = s.past + at.first + own;  // of the warp's first row
    const SharedRows<D, MT> rows(shared.q, own);
    RunningSoftmax<D, MT> r;
#pragma unroll
    for (int m = 0; m < MT; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) r.max[m][half] = -INFINITY, r.sum[m][half] = 0;
    for (int key = 0; key < keys; key += keys_of_tile) {
        ptx::cp_async_wait<0>();
        __syncthreads();  // the keys are there; the values before are no longer needed
        load_keys(shared.v, v, key);
        float scores[MT][keys_of_tile / 8][4] = {};
        if (key < position + MT * 16) multiply<D, keys_of_tile, MT>(scores, rows, shared.k);
        ptx::cp_async_wait<0>();
        __syncthreads();  // the values are there; the keys are no longer needed
        if (key + keys_of_tile < keys) load_keys(shared.k, k, key + keys_of_tile);
        if (key >= position + MT * 16) continue;  // no row of this warp sees them
        std::uint32_t p[MT][keys_of_tile / 16][4];
        softmax(r, p, scores, position - key, s.scale * log2e);
        add_products<D, keys_of_tile, MT>(r.y, p, shared.v);
    }

#pragma unroll
    for (int m = 0; m < MT; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int lane = threadIdx.x % 32, row = at.first + own + m * 16 + half * 8 + lane / 4;
            float sum = r.sum[m][half] + __shfl_xor_sync(all_lanes, r.sum[m][half], 1);
            sum += __shfl_xor_sync(all_lanes, sum, 2);
            if (row >= at.length) continue;
            store_row<D>(y + s.q_at(at.begin + row, head), nullptr, r.y[m], half, 1 / sum, s.dim, s.vectors);
            if (lse && lane % 4 == 0)
                lse[std::size_t(head) * s.tokens + at.begin + row] = fmaf(r.max[m][half], s.scale, logf(sum));
        }
}

// 32 rows of 128 columns a warp fill every register there is: sm_80 would spill some.
template <int D, int MT> inline constexpr bool needs_sm_90 = D == 128 && MT == 2;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
inline constexpr bool below_sm_90 = true;
#else
inline constexpr bool below_sm_90 = false;
#endif

template <int D, int MT> __global__ void __launch_bounds__(threads, D <= 128 ? 2 : 1)
    flash_forward_kernel(const nv_bf16* __restrict__ q, const nv_bf16* __restrict__ k, const nv_bf16* __restrict__ v,
                         const int* __restrict__ cu_seqlens, nv_bf16* __restrict__ y, float* __restrict__ lse,
                         Sizes s) {
    if constexpr (needs_sm_90<D, MT> && below_sm_90) __trap();
    else forward_tile<D, MT>(q, k, v, cu_seqlens, y, lse, s);
}

template <int D, int MT> void run(const CudaDevice& device, const AttentionForward& a, const Sizes& s) {
    launch(flash_forward_kernel<D, MT>,
           {s.slots(warps * MT * 16) * unsigned(s.heads), threads, sizeof(Shared<D, MT>), device.stream},
           device_data<nv_bf16>(a.q), device_data<nv_bf16>(a.k), device_data<nv_bf16>(a.v),
           device_data<int>(a.cu_seqlens), device_data<nv_bf16>(a.y), device_data<float>(a.lse), s);
}

bool is_large(int ordinal) {
    int shared_bytes = 0, major = 0;
    cuda::check(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor, ordinal),
                "cudaDeviceGetAttribute(shared memory of a multiprocessor)");
    cuda::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal),
                "cudaDeviceGetAttribute(compute capability)");
    constexpr int reserved = 1024;  // of each block, by the driver
    return major >= 9 && 2 * (int(sizeof(Shared<128, 2>)) + reserved) <= shared_bytes;
}

}  // namespace

// 32 rows a warp read half as much shared memory for a product as 16 do, which is what bounds a card. Of 128 columns
// two such blocks fit into the multiprocessors of large cards alone, and of more none. Both give equal bits.
void flash_forward(const CudaDevice& device, const AttentionForward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    visit_head_dim<32, 64, 96, 128, 192, 256>(s.dim, [&]<int D>() {
        if constexpr (D <= 96) {
            run<D, 2>(device, a, s);
        } else {
            if constexpr (D == 128)
                if (is_large(device.ordinal)) return run<D, 2>(device, a, s);
            run<D, 1>(device, a, s);
        }
    });
}

}  // namespace tandem::cuda_attention

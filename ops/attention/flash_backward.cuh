// What the two backward kernels share: a block keeps a pair of tiles, 16 rows of each to a warp, while another pair of
// tiles of few rows streams through two stages. Queries with their dy and keys with their values are such pairs.
#pragma once
#include "ops/attention/attention_cuda.cuh"
#include "ops/attention/flash_tiles.cuh"

namespace tandem::flash {

using cuda_attention::Sizes;

// Cut so that 99 KB hold both pairs.
template <int D> struct BackwardTiles {
    static constexpr int warps = D <= 128 ? 8 : 4, threads = warps * 32;
    static constexpr int kept_rows = warps * 16, streamed_rows = D <= 192 ? 32 : 16;
    static constexpr int blocks = D <= 64 ? 2 : 1;  // for a multiprocessor, of what registers there are

    nv_bf16 kept[2][kept_rows * D];
    nv_bf16 streamed[2][2][streamed_rows * D];  // stage, then which of the pair
    float statistics[2][2][streamed_rows];      // stage, then lse * log2(e) and delta; where queries stream
};

// Rows of one head of two tensors of the same layout.
template <int D, int rows, int threads>
__device__ __forceinline__ void load_pair(nv_bf16* first, nv_bf16* second, const nv_bf16* from_first,
                                          const nv_bf16* from_second, int stride, int count, int dim, bool vectors) {
    load_rows<D, rows, threads>(first, {from_first, stride, count, dim, vectors});
    load_rows<D, rows, threads>(second, {from_second, stride, count, dim, vectors});
    ptx::cp_async_commit();
}

// sums [16, D] += s [16, N], rounded to bf16, tile [N, D].
template <int D, int N> __device__ __forceinline__ void add_rounded(float (&sums)[1][D / 8][4],
                                                                    const float (&s)[1][N / 8][4],
                                                                    const nv_bf16* tile) {
    std::uint32_t rounded[1][N / 16][4];
    pack_rows<N>(rounded[0], s[0]);
    add_products<D, N, 1>(sums, rounded, tile);
}

// A warp's 16 rows from `own` on, of which the first `count` of the tile exist: out = addend + factor * sums.
template <int D> __device__ __forceinline__ void store_rows(nv_bf16* out, const nv_bf16* addend,
                                                            const float (&sums)[1][D / 8][4], float factor, int own,
                                                            int count, int stride, const Sizes& s) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = own + half * 8 + threadIdx.x % 32 / 4;
        if (row >= count) continue;
        const std::size_t at = std::size_t(row) * stride;
        store_row<D>(out + at, addend ? addend + at : nullptr, sums[0], half, factor, s.dim, s.vectors);
    }
}

}  // namespace tandem::flash

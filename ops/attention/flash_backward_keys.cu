// dk and dv in bf16, as in FlashAttention-2 (Dao, 2023). A block has one tile of keys and goes over the heads of its
// group in order, and over their queries from its own positions on; scores are computed turned, [keys, queries], so
// that P^T and dS^T are left operands without leaving their registers.
#include "ops/attention/flash_backward.cuh"

namespace tandem::cuda_attention {

namespace {

using namespace flash;

// P^T from scores of 16 keys and the queries of a tile. The first key is seen by the queries from `diagonal` on.
// Queries that do not exist add nothing, as their dy and q are zeros.
template <int N> __device__ __forceinline__ void probabilities(float (&s)[1][N / 8][4], const float* lse_log2,
                                                               int diagonal, float scale_log2) {
    const int lane = threadIdx.x % 32, first = diagonal + lane / 4;
#pragma unroll
    for (int n = 0; n < N / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int query = n * 8 + lane % 4 * 2 + i % 2;
            const float p = ptx::exp2_approximate(fmaf(s[0][n][i], scale_log2, -lse_log2[query]));
            s[0][n][i] = query >= first + i / 2 * 8 ? p : 0;
        }
}

// dS^T = P^T (dP^T - delta), in place of dP^T.
template <int N> __device__ __forceinline__ void score_gradients(float (&dp)[1][N / 8][4],
                                                                 const float (&p)[1][N / 8][4], const float* delta) {
#pragma unroll
    for (int n = 0; n < N / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            dp[0][n][i] = p[0][n][i] * (dp[0][n][i] - delta[n * 8 + threadIdx.x % 4 * 2 + i % 2]);
}

// The queries that meet a tile of keys, a tile at each step: head after head of the group, from the keys' own
// positions.
template <int D> struct Queries {
    using Shared = BackwardTiles<D>;
    static constexpr int rows = Shared::streamed_rows;
    const nv_bf16 *q, *dy;
    const float *lse, *delta;
    const Sizes& s;
    DocumentTile at;
    int first_head, tiles;

    __device__ __forceinline__ int steps() const { return tiles * s.group; }
    __device__ __forceinline__ int head(int step) const { return first_head + step / tiles; }
    __device__ __forceinline__ int query(int step) const { return at.first + step % tiles * rows; }
    __device__ __forceinline__ void load(Shared& shared, int step) const {
        const std::size_t from = s.q_at(at.begin + query(step), head(step));
        auto& to = shared.streamed[step % 2];
        load_pair<D, rows, Shared::threads>(to[0], to[1], q + from, dy + from, s.heads * s.dim, at.length - query(step),
                                            s.dim, s.vectors);
    }
    // One value for each of the first 2 * rows threads.
    __device__ __forceinline__ float statistic(int step) const {
        const int row = query(step) + threadIdx.x % rows;
        if (threadIdx.x >= 2 * rows || row >= at.length) return 0;
        const std::size_t from = std::size_t(head(step)) * s.tokens + at.begin + row;
        return threadIdx.x < rows ? lse[from] * log2e : delta[from];
    }
    __device__ __forceinline__ void store_statistic(Shared& shared, int step, float value) const {
        if (threadIdx.x < 2 * rows) shared.statistics[step % 2][threadIdx.x / rows][threadIdx.x % rows] = value;
    }
};

// Two blocks a multiprocessor leave too few registers for both sums of 64 columns on some architectures.
template <int D> inline constexpr int blocks_of_keys = D == 64 ? 1 : BackwardTiles<D>::blocks;

template <int D, bool wants_dk, bool wants_dv>
__global__ void __launch_bounds__(BackwardTiles<D>::threads, blocks_of_keys<D>)
    flash_backward_keys_kernel(const nv_bf16* __restrict__ q, const nv_bf16* __restrict__ k,
                               const nv_bf16* __restrict__ v, const int* __restrict__ cu_seqlens,
                               const nv_bf16* __restrict__ dy, const float* __restrict__ lse,
                               const float* __restrict__ delta, nv_bf16* dk, const nv_bf16* dk_addend, nv_bf16* dv,
                               const nv_bf16* dv_addend, Sizes s) {
    using Shared = BackwardTiles<D>;
    constexpr int tile = Shared::kept_rows, N = Shared::streamed_rows;
    Shared& shared = *dynamic_shared<Shared>();
    const int kv_head = blockIdx.x % s.kv_heads(), stride = s.kv_heads() * s.dim;
    // The first keys of a document have the most queries: they start first, where there is one document.
    const DocumentTile at = tile_of_slot(cu_seqlens, s, tile, blockIdx.x / s.kv_heads());
    if (at.first >= at.length) return;
    const int count = at.length - at.first;
    const std::size_t keys = s.k_at(at.begin + at.first, kv_head);
    load_pair<D, tile, Shared::threads>(shared.kept[0], shared.kept[1], k + keys, v + keys, stride, count, s.dim,
                                        s.vectors);
    const Queries<D> queries{q, dy, lse, delta, s, at, kv_head * s.group, (count + N - 1) / N};
    queries.load(shared, 0);
    queries.store_statistic(shared, 0, queries.statistic(0));

    const int own = threadIdx.x / 32 * 16;
    const SharedRows<D> rows_k(shared.kept[0], own), rows_v(shared.kept[1], own);
    float sum_k[1][D / 8][4] = {}, sum_v[1][D / 8][4] = {};
    for (int step = 0; step < queries.steps(); step++) {
        ptx::cp_async_wait<0>();
        __syncthreads();  // this step's queries are there; nobody reads those of the step before
        const bool more = step + 1 < queries.steps();
        if (more) queries.load(shared, step + 1);
        if (more) queries.store_statistic(shared, step + 1, queries.statistic(step + 1));
        const int diagonal = at.first + own - queries.query(step);
        if (diagonal < N) {  // some query sees the first of this warp's keys
            const nv_bf16 *tile_q = shared.streamed[step % 2][0], *tile_dy = shared.streamed[step % 2][1];
            float p[1][N / 8][4] = {};
            multiply<D, N, 1>(p, rows_k, tile_q);
            probabilities<N>(p, shared.statistics[step % 2][0], diagonal, s.scale * log2e);
            if (wants_dv) add_rounded<D, N>(sum_v, p, tile_dy);
            if (wants_dk) {
                float dp[1][N / 8][4] = {};
                multiply<D, N, 1>(dp, rows_v, tile_dy);
                score_gradients<N>(dp, p, shared.statistics[step % 2][1]);
                add_rounded<D, N>(sum_k, dp, tile_q);
            }
        }
    }
    if (wants_dk)
        store_rows<D>(dk + keys, dk_addend ? dk_addend + keys : nullptr, sum_k, s.scale, own, count, stride, s);
    if (wants_dv) store_rows<D>(dv + keys, dv_addend ? dv_addend + keys : nullptr, sum_v, 1, own, count, stride, s);
}

template <int D, bool wants_dk, bool wants_dv> void run(const CudaDevice& device, const AttentionBackward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    using Shared = BackwardTiles<D>;
    launch(flash_backward_keys_kernel<D, wants_dk, wants_dv>,
           {s.slots(Shared::kept_rows) * unsigned(s.kv_heads()), Shared::threads, sizeof(Shared), device.stream},
           device_data<nv_bf16>(a.q), device_data<nv_bf16>(a.k), device_data<nv_bf16>(a.v),
           device_data<int>(a.cu_seqlens), device_data<nv_bf16>(a.dy), device_data<float>(a.lse),
           device_data<float>(a.delta), device_data<nv_bf16>(a.dk.out), device_data<nv_bf16>(a.dk.addend),
           device_data<nv_bf16>(a.dv.out), device_data<nv_bf16>(a.dv.addend), s);
}

}  // namespace

void flash_backward_keys(const CudaDevice& device, const AttentionBackward& a) {
    visit_head_dim<32, 64, 96, 128, 192, 256>(a.shape.head_dim, [&]<int D>() {
        if constexpr (D <= 128)
            if (a.dk && a.dv) return run<D, true, true>(device, a);
        // Wider heads leave no registers for both sums.
        if (a.dk) run<D, true, false>(device, a);
        if (a.dv) run<D, false, true>(device, a);
    });
}

}  // namespace tandem::cuda_attention

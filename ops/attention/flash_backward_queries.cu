// dq in bf16, as in FlashAttention-2 (Dao, 2023), but apart from dk and dv: the scores are computed twice, and nothing
// is added across blocks. A block has the queries of one tile and head and goes over the keys that they see.
#include "ops/attention/flash_backward.cuh"

namespace tandem::cuda_attention {

namespace {

using namespace flash;

// dS from scores and dP of 16 queries and the keys of a tile, in place of dP. The first query sees the keys up to
// `diagonal`. lse_log2 and delta: of a lane's two rows.
template <int N> __device__ __forceinline__ void score_gradients(const float (&s)[1][N / 8][4],
                                                                 float (&dp)[1][N / 8][4], const float (&lse_log2)[2],
                                                                 const float (&delta)[2], int diagonal,
                                                                 float scale_log2) {
    const int lane = threadIdx.x % 32, last = diagonal + lane / 4;
#pragma unroll
    for (int n = 0; n < N / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float p = ptx::exp2_approximate(fmaf(s[0][n][i], scale_log2, -lse_log2[i / 2]));
            const float ds = p * (dp[0][n][i] - delta[i / 2]);
            dp[0][n][i] = n * 8 + lane % 4 * 2 + i % 2 <= last + i / 2 * 8 ? ds : 0;
        }
}

template <int D> __global__ void __launch_bounds__(BackwardTiles<D>::threads, BackwardTiles<D>::blocks)
    flash_backward_queries_kernel(const nv_bf16* __restrict__ q, const nv_bf16* __restrict__ k,
                                  const nv_bf16* __restrict__ v, const int* __restrict__ cu_seqlens,
                                  const nv_bf16* __restrict__ dy, const float* __restrict__ lse,
                                  const float* __restrict__ delta, nv_bf16* dq, const nv_bf16* dq_addend, Sizes s) {
    using Shared = BackwardTiles<D>;
    constexpr int tile = Shared::kept_rows, N = Shared::streamed_rows;
    Shared& shared = *dynamic_shared<Shared>();
    const int head = blockIdx.x % s.heads;
    const DocumentTile at = tile_of_slot(cu_seqlens, s, tile, (gridDim.x - 1 - blockIdx.x) / s.heads);
    if (at.first >= at.length) return;
    const std::size_t place_of_queries = s.q_at(at.begin + at.first, head);
    load_pair<D, tile, Shared::threads>(shared.kept[0], shared.kept[1], q + place_of_queries, dy + place_of_queries,
                                        s.heads * s.dim, at.length - at.first, s.dim, s.vectors);
    const int keys = min(at.first + tile, at.length);
    auto load_keys = [&](int key) {
        const std::size_t from = s.k_at(at.begin + key, head / s.group);
        auto& to = shared.streamed[key / N % 2];
        load_pair<D, N, Shared::threads>(to[0], to[1], k + from, v + from, s.kv_heads() * s.dim, keys - key, s.dim,
                                         s.vectors);
    };
    load_keys(0);

    const int own = threadIdx.x / 32 * 16, position = at.first + own;
    float lse_log2[2] = {}, own_delta[2] = {};
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = position + half * 8 + threadIdx.x % 32 / 4;
        const std::size_t from = std::size_t(head) * s.tokens + at.begin + row;
        if (row < at.length) lse_log2[half] = lse[from] * log2e, own_delta[half] = delta[from];
    }
    ptx::cp_async_wait<0>();
    __syncthreads();
    // Kept in registers where there is room: shared memory is read less, which is what bounds the large cards.
    using Kept = std::conditional_t<D == 96 || D == 128, HeldRows<D>, SharedRows<D>>;
    const Kept rows_q(SharedRows<D>(shared.kept[0], own)), rows_dy(SharedRows<D>(shared.kept[1], own));
    float sum[1][D / 8][4] = {};
    for (int key = 0; key < keys; key += N) {
        ptx::cp_async_wait<0>();
        __syncthreads();  // these keys are there; nobody reads those before
        if (key + N < keys) load_keys(key + N);
        if (key >= position + 16) continue;  // no row of this warp sees them
        const nv_bf16 *tile_k = shared.streamed[key / N % 2][0], *tile_v = shared.streamed[key / N % 2][1];
        float scores[1][N / 8][4] = {}, dp[1][N / 8][4] = {};
        multiply<D, N, 1>(scores, rows_q, tile_k);
        multiply<D, N, 1>(dp, rows_dy, tile_v);
        score_gradients<N>(scores, dp, lse_log2, own_delta, position - key, s.scale * log2e);
        add_rounded<D, N>(sum, dp, tile_k);
    }

    store_rows<D>(dq + place_of_queries, dq_addend ? dq_addend + place_of_queries : nullptr, sum, s.scale, own,
                  at.length - at.first, s.heads * s.dim, s);
}

}  // namespace

void flash_backward_queries(const CudaDevice& device, const AttentionBackward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    visit_head_dim<32, 64, 96, 128, 192, 256>(s.dim, [&]<int D>() {
        using Shared = BackwardTiles<D>;
        launch(flash_backward_queries_kernel<D>,
               {s.slots(Shared::kept_rows) * unsigned(s.heads), Shared::threads, sizeof(Shared), device.stream},
               device_data<nv_bf16>(a.q), device_data<nv_bf16>(a.k), device_data<nv_bf16>(a.v),
               device_data<int>(a.cu_seqlens), device_data<nv_bf16>(a.dy), device_data<float>(a.lse),
               device_data<float>(a.delta), device_data<nv_bf16>(a.dq.out), device_data<nv_bf16>(a.dq.addend), s);
    });
}

}  // namespace tandem::cuda_attention

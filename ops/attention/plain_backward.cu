// Gradients of attention in full f32: a block has one tile of queries (dq) or of keys (dk, dv) and computes the scores
// with all that they meet, so that nothing is added across blocks.
#include "ops/attention/plain_tiles.cuh"

namespace tandem::cuda_attention {

namespace {

using namespace plain;

template <int W> struct Shared {
    static constexpr int rows = 4096 / W;  // 64 to 16: with them 99 KB hold both pairs
    RowTile<rows, W> kept[2];              // queries and their dy, or keys and their values
    RowTile<rows, W> met[2];               // the other pair
    ScoreTile<rows> p;
};

template <int W> __global__ void __launch_bounds__(threads, 1)
    plain_backward_queries_kernel(const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
                                  const int* __restrict__ cu_seqlens, const float* __restrict__ dy,
                                  const float* __restrict__ lse, const float* __restrict__ delta, float* dq,
                                  const float* dq_addend, Sizes s) {
    constexpr int R = Shared<W>::rows;
    Shared<W>& shared = *dynamic_shared<Shared<W>>();
    const int head = blockIdx.x % s.heads, kv_stride = s.kv_heads() * s.dim, width = (s.dim + 3) / 4 * 4;
    const DocumentTile at = tile_of_slot(cu_seqlens, s, R, (gridDim.x - 1 - blockIdx.x) / s.heads);
    if (at.first >= at.length) return;
    const std::size_t queries = s.q_at(at.begin + at.first, head);
    load_rows(shared.kept[0], q + queries, s.heads * s.dim, at.length - at.first, s.dim);
    load_rows(shared.kept[1], dy + queries, s.heads * s.dim, at.length - at.first, s.dim);
    float own_lse[R / 16], own_delta[R / 16];
#pragma unroll
    for (int i = 0; i < R / 16; i++) {
        const int row = at.first + thread_y() + 16 * i;
        const std::size_t from = std::size_t(head) * s.tokens + at.begin + row;
        own_lse[i] = row < at.length ? lse[from] : 0.0f;
        own_delta[i] = row < at.length ? delta[from] : 0.0f;
    }
    Sums<R, W> sums = {};
    const int keys = min(at.first + R, at.length);
    for (int key = 0; key < keys; key += R) {
        const std::size_t from = s.k_at(at.begin + key, head / s.group);
        __syncthreads();  // nobody reads the keys before
        load_rows(shared.met[0], k + from, kv_stride, keys - key, s.dim);
        load_rows(shared.met[1], v + from, kv_stride, keys - key, s.dim);
        __syncthreads();
        Scores<R> p, ds;
        multiply<R, W>(p, shared.kept[0], shared.met[0], width);
        multiply<R, W>(ds, shared.kept[1], shared.met[1], width);
#pragma unroll
        for (int i = 0; i < R / 16; i++)
#pragma unroll
            for (int j = 0; j < R / 16; j++) {
                const bool seen = key + thread_x() + 16 * j <= at.first + thread_y() + 16 * i;
                ds[i][j] = seen ? expf(p[i][j] * s.scale - own_lse[i]) * (ds[i][j] - own_delta[i]) : 0;
            }
        put<R>(shared.p, ds);
        __syncthreads();
        add_products<R, W>(sums, shared.p, shared.met[0]);
    }
#pragma unroll
    for (int i = 0; i < R / 16; i++) {
        const int row = thread_y() + 16 * i;
        const std::size_t to = queries + std::size_t(row) * s.heads * s.dim;
        if (at.first + row < at.length)
            store_row(dq + to, dq_addend ? dq_addend + to : nullptr, sums[i], s.scale, s.dim);
    }
}

// P^T and dS^T from scores and dP^T of a tile of keys and one of queries, in place.
template <int R> __device__ __forceinline__ void score_gradients(Scores<R>& p, Scores<R>& dp, const float* lse,
                                                                 const float* delta, int first_key, int first_query,
                                                                 int length, float scale) {
#pragma unroll
    for (int j = 0; j < R / 16; j++) {
        const int query = first_query + thread_x() + 16 * j;
        const float query_lse = query < length ? lse[query] : 0, query_delta = query < length ? delta[query] : 0;
#pragma unroll
        for (int i = 0; i < R / 16; i++) {
            const bool seen = query < length && query >= first_key + thread_y() + 16 * i;
            p[i][j] = seen ? expf(p[i][j] * scale - query_lse) : 0;
            dp[i][j] = seen ? p[i][j] * (dp[i][j] - query_delta) : 0;
        }
    }
}

// dk and dv may be null: not wanted.
template <int W> __global__ void __launch_bounds__(threads, 1)
    plain_backward_keys_kernel(const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
                               const int* __restrict__ cu_seqlens, const float* __restrict__ dy,
                               const float* __restrict__ lse, const float* __restrict__ delta, float* dk,
                               const float* dk_addend, float* dv, const float* dv_addend, Sizes s) {
    constexpr int R = Shared<W>::rows;
    Shared<W>& shared = *dynamic_shared<Shared<W>>();
    const int kv_head = blockIdx.x % s.kv_heads(), stride = s.heads * s.dim, width = (s.dim + 3) / 4 * 4;
    const DocumentTile at = tile_of_slot(cu_seqlens, s, R, blockIdx.x / s.kv_heads());
    if (at.first >= at.length) return;
    const std::size_t keys = s.k_at(at.begin + at.first, kv_head);
    load_rows(shared.kept[0], k + keys, s.kv_heads() * s.dim, at.length - at.first, s.dim);
    load_rows(shared.kept[1], v + keys, s.kv_heads() * s.dim, at.length - at.first, s.dim);
    Sums<R, W> sums_k = {}, sums_v = {};
    for (int head = kv_head * s.group; head < (kv_head + 1) * s.group; head++)
        for (int query = at.first; query < at.length; query += R) {
            const std::size_t from = s.q_at(at.begin + query, head);
            const std::size_t statistics = std::size_t(head) * s.tokens + at.begin;
            __syncthreads();  // nobody reads the queries before
            load_rows(shared.met[0], q + from, stride, at.length - query, s.dim);
            load_rows(shared.met[1], dy + from, stride, at.length - query, s.dim);
            __syncthreads();
            Scores<R> p, ds;
            multiply<R, W>(p, shared.kept[0], shared.met[0], width);
            multiply<R, W>(ds, shared.kept[1], shared.met[1], width);
            score_gradients<R>(p, ds, lse + statistics, delta + statistics, at.first, query, at.length, s.scale);
            put<R>(shared.p, p);
            __syncthreads();
            add_products<R, W>(sums_v, shared.p, shared.met[1]);
            __syncthreads();  // nobody reads p
            put<R>(shared.p, ds);
            __syncthreads();
            add_products<R, W>(sums_k, shared.p, shared.met[0]);
        }
#pragma unroll
    for (int i = 0; i < R / 16; i++) {
        const int row = thread_y() + 16 * i;
        if (at.first + row >= at.length) continue;
        const std::size_t to = keys + std::size_t(row) * s.kv_heads() * s.dim;
        if (dk) store_row(dk + to, dk_addend ? dk_addend + to : nullptr, sums_k[i], s.scale, s.dim);
        if (dv) store_row(dv + to, dv_addend ? dv_addend + to : nullptr, sums_v[i], 1, s.dim);
    }
}

}  // namespace

void plain_backward_queries(const CudaDevice& device, const AttentionBackward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    visit_head_dim<64, 128, 256>(s.dim, [&]<int W>() {
        launch(plain_backward_queries_kernel<W>,
               {s.slots(Shared<W>::rows) * unsigned(s.heads), threads, sizeof(Shared<W>), device.stream},
               device_data<float>(a.q), device_data<float>(a.k), device_data<float>(a.v),
               device_data<int>(a.cu_seqlens), device_data<float>(a.dy), device_data<float>(a.lse),
               device_data<float>(a.delta), device_data<float>(a.dq.out), device_data<float>(a.dq.addend), s);
    });
}

void plain_backward_keys(const CudaDevice& device, const AttentionBackward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    visit_head_dim<64, 128, 256>(s.dim, [&]<int W>() {
        launch(plain_backward_keys_kernel<W>,
               {s.slots(Shared<W>::rows) * unsigned(s.kv_heads()), threads, sizeof(Shared<W>), device.stream},
               device_data<float>(a.q), device_data<float>(a.k), device_data<float>(a.v),
               device_data<int>(a.cu_seqlens), device_data<float>(a.dy), device_data<float>(a.lse),
               device_data<float>(a.delta), device_data<float>(a.dk.out), device_data<float>(a.dk.addend),
               device_data<float>(a.dv.out), device_data<float>(a.dv.addend), s);
    });
}

}  // namespace tandem::cuda_attention

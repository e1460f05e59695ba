// Attention in full f32, without tensor cores: the online softmax over tiles of keys from the document's first on.
#include "ops/attention/plain_tiles.cuh"

namespace tandem::cuda_attention {

namespace {

using namespace plain;

template <int W> struct Shared {
    static constexpr int rows = W <= 128 ? 64 : 32;
    RowTile<rows, W> q, kv;  // keys, then their values
    ScoreTile<rows> p;
};

// `R` rows of scores become numerators; what a thread keeps of its rows is brought up to date. The first query sees the
// keys up to `diagonal`.
template <int R, int W> __device__ __forceinline__ void softmax(Scores<R>& s, float (&max)[R / 16],
                                                                float (&sum)[R / 16], Sums<R, W>& y, int diagonal,
                                                                float scale) {
#pragma unroll
    for (int i = 0; i < R / 16; i++) {
        float top = max[i], added = 0;
#pragma unroll
        for (int j = 0; j < R / 16; j++) {
            s[i][j] = thread_x() + 16 * j <= diagonal + thread_y() + 16 * i ? s[i][j] * scale : -INFINITY;
            top = fmaxf(top, s[i][j]);
        }
#pragma unroll
        for (int lanes = 8; lanes > 0; lanes /= 2) top = fmaxf(top, __shfl_xor_sync(all_lanes, top, lanes));
#pragma unroll
        for (int j = 0; j < R / 16; j++) added += s[i][j] = expf(s[i][j] - top);
        const float shrink = expf(max[i] - top);
        max[i] = top;
        sum[i] = fmaf(sum[i], shrink, added);
#pragma unroll
        for (int j = 0; j < W / 64; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) y[i][j][c] *= shrink;
    }
}

template <int W> __global__ void __launch_bounds__(threads, 1)
    plain_forward_kernel(const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
                         const int* __restrict__ cu_seqlens, float* __restrict__ y, float* __restrict__ lse, Sizes s) {
    constexpr int R = Shared<W>::rows;
    Shared<W>& shared = *dynamic_shared<Shared<W>>();
    const int head = blockIdx.x % s.heads, kv_stride = s.kv_heads() * s.dim, width = (s.dim + 3) / 4 * 4;
    const DocumentTile at = tile_of_slot(cu_seqlens, s, R, (gridDim.x - 1 - blockIdx.x) / s.heads);
    if (at.first >= at.length) return;
    load_rows(shared.q, q + s.q_at(at.begin + at.first, head), s.heads * s.dim, at.length - at.first, s.dim);
    const int position = s.past + at.first, keys = s.past + min(at.first + R, at.length);
    Sums<R, W> sums = {};
    float max[R / 16], sum[R / 16];
    for (int i = 0; i < R / 16; i++) max[i] = -INFINITY, sum[i] = 0;
    for (int key = 0; key < keys; key += R) {
        const std::size_t from = s.k_at(at.begin + key, head / s.group);
        __syncthreads();  // nobody reads the values before, nor their numerators
        load_rows(shared.kv, k + from, kv_stride, keys - key, s.dim);
        __syncthreads();
        Scores<R> p;
        multiply<R, W>(p, shared.q, shared.kv, width);
        softmax<R, W>(p, max, sum, sums, position - key, s.scale);
        put<R>(shared.p, p);
        __syncthreads();  // nobody reads the keys
        load_rows(shared.kv, v + from, kv_stride, keys - key, s.dim);
        __syncthreads();
        add_products<R, W>(sums, shared.p, shared.kv);
    }
#pragma unroll
    for (int i = 0; i < R / 16; i++) {
        const int row = at.first + thread_y() + 16 * i;
#pragma unroll
        for (int lanes = 8; lanes > 0; lanes /= 2) sum[i] += __shfl_xor_sync(all_lanes, sum[i], lanes);
        if (row >= at.length) continue;
        store_row(y + s.q_at(at.begin + row, head), nullptr, sums[i], 1 / sum[i], s.dim);
        if (lse && thread_x() == 0) lse[std::size_t(head) * s.tokens + at.begin + row] = max[i] + logf(sum[i]);
    }
}

}  // namespace

void plain_forward(const CudaDevice& device, const AttentionForward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    visit_head_dim<64, 128, 256>(s.dim, [&]<int W>() {
        launch(plain_forward_kernel<W>,
               {s.slots(Shared<W>::rows) * unsigned(s.heads), threads, sizeof(Shared<W>), device.stream},
               device_data<float>(a.q), device_data<float>(a.k), device_data<float>(a.v),
               device_data<int>(a.cu_seqlens), device_data<float>(a.y), device_data<float>(a.lse), s);
    });
}

}  // namespace tandem::cuda_attention

// Tiles of f32 rows in shared memory, and products of them in full f32. 256 threads are 16 by 16: thread (y, x) has the
// rows y + 16 i of every result; of scores the columns x + 16 j, of sums over a head's width 4 x + 64 j + {0, 1, 2, 3}.
#pragma once
#include "ops/attention/attention_cuda.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem::plain {

inline constexpr int threads = 256;

// Four columns of padding: 8 rows' chunks of 16 bytes fall into different banks.
template <int R, int W> struct RowTile {
    static constexpr int stride = W + 4;
    float at[R * stride];
};
template <int R> using ScoreTile = RowTile<R, R>;

template <int R> using Scores = float[R / 16][R / 16];
template <int R, int W> using Sums = float[R / 16][W / 64][4];

__device__ __forceinline__ int thread_x() { return threadIdx.x % 16; }
__device__ __forceinline__ int thread_y() { return threadIdx.x / 16; }

// Zeros beyond `count` rows and `dim` columns.
template <int R, int W>
__device__ __forceinline__ void load_rows(RowTile<R, W>& to, const float* from, int stride, int count, int dim) {
    for (int i = threadIdx.x; i < R * W; i += threads) {
        const int row = i / W, column = i % W;
        to.at[row * to.stride + column] = row < count && column < dim ? from[std::size_t(row) * stride + column] : 0.0f;
    }
}

__device__ __forceinline__ float4 four(const float* p) { return *reinterpret_cast<const float4*>(p); }

// s = a b^T over the first `width` columns, a multiple of 4.
template <int R, int W>
__device__ __forceinline__ void multiply(Scores<R>& s, const RowTile<R, W>& a, const RowTile<R, W>& b, int width) {
    constexpr int n = R / 16;
#pragma unroll
    for (int i = 0; i < n; i++)
#pragma unroll
        for (int j = 0; j < n; j++) s[i][j] = 0;
#pragma unroll 2
    for (int k = 0; k < width; k += 4) {
        float4 left[n], right[n];
#pragma unroll
        for (int i = 0; i < n; i++) {
            left[i] = four(a.at + (thread_y() + 16 * i) * a.stride + k);
            right[i] = four(b.at + (thread_x() + 16 * i) * b.stride + k);
        }
#pragma unroll
        for (int i = 0; i < n; i++)
#pragma unroll
            for (int j = 0; j < n; j++) {
                s[i][j] = fmaf(left[i].x, right[j].x, s[i][j]);
                s[i][j] = fmaf(left[i].y, right[j].y, s[i][j]);
                s[i][j] = fmaf(left[i].z, right[j].z, s[i][j]);
                s[i][j] = fmaf(left[i].w, right[j].w, s[i][j]);
            }
    }
}

template <int R> __device__ __forceinline__ void put(ScoreTile<R>& to, const Scores<R>& s) {
#pragma unroll
    for (int i = 0; i < R / 16; i++)
#pragma unroll
        for (int j = 0; j < R / 16; j++) to.at[(thread_y() + 16 * i) * to.stride + thread_x() + 16 * j] = s[i][j];
}

// sums += p b.
template <int R, int W>
__device__ __forceinline__ void add_products(Sums<R, W>& sums, const ScoreTile<R>& p, const RowTile<R, W>& b) {
#pragma unroll 4
    for (int k = 0; k < R; k++) {
        float4 right[W / 64];
#pragma unroll
        for (int j = 0; j < W / 64; j++) right[j] = four(b.at + k * b.stride + 4 * thread_x() + 64 * j);
#pragma unroll
        for (int i = 0; i < R / 16; i++) {
            const float left = p.at[(thread_y() + 16 * i) * p.stride + k];
#pragma unroll
            for (int j = 0; j < W / 64; j++) {
                sums[i][j][0] = fmaf(left, right[j].x, sums[i][j][0]);
                sums[i][j][1] = fmaf(left, right[j].y, sums[i][j][1]);
                sums[i][j][2] = fmaf(left, right[j].z, sums[i][j][2]);
                sums[i][j][3] = fmaf(left, right[j].w, sums[i][j][3]);
            }
        }
    }
}

// One row: out = addend + factor * sums; addend may be null or `out`.
template <int columns> __device__ __forceinline__ void store_row(float* out, const float* addend,
                                                                 const float (&sums)[columns][4], float factor,
                                                                 int dim) {
#pragma unroll
    for (int j = 0; j < columns; j++)
#pragma unroll
        for (int c = 0; c < 4; c++) {
            const int column = 4 * thread_x() + 64 * j + c;
            if (column >= dim) continue;
            const float value = sums[j][c] * factor;
            out[column] = addend ? addend[column] + value : value;
        }
}

}  // namespace tandem::plain

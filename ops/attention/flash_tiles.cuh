// Tiles of bf16 rows in shared memory, and the products of attention on tensor cores. A warp has 16 rows of each
// result, or MT times 16; lane l holds of them the rows l / 4 and l / 4 + 8, columns l % 4 * 2 + {0, 1} of every 8.
#pragma once
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/ptx.cuh"
#include "runtime/cuda/types.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem::flash {

inline constexpr float log2e = 1.44269504f, ln2 = 0.693147181f;

// Where 8 columns of a row lie. Chunks are permuted within a row so that the 8 rows of an ldmatrix fall into 8
// different groups of banks.
template <int D> __device__ __forceinline__ int place(int row, int chunk) {
    constexpr bool by_eight = D % 64 == 0;
    return row * D + ((chunk ^ (by_eight ? row & 7 : row >> 1 & 3)) << 3);
}

// place(row, chunk + even) from place(row, chunk), chunk 0 or 1.
template <int D> __device__ __forceinline__ int further(int at, int even) {
    constexpr int permuted = D % 64 == 0 ? 7 : 3;
    return (at ^ ((even & permuted) << 3)) + ((even & ~permuted) << 3);
}

struct HeadRows {
    const nv_bf16* data;
    int stride;
    int count;  // rows beyond it, and columns beyond dim, are filled with zeros
    int dim;
    bool vectors;  // rows begin at multiples of 16 bytes
};

// Starts to fill a tile; what cp.async cannot copy is there at the next barrier as well.
template <int D, int rows, int threads> __device__ __forceinline__ void load_rows(nv_bf16* tile, const HeadRows& from) {
    constexpr int group = D % 64 == 0 ? 8 : 4;  // chunks that neighbouring threads copy
#pragma unroll 1
    for (int pass = 0; pass < rows; pass += threads / group) {
        const int row = pass + threadIdx.x / group;
        if (rows % (threads / group) != 0 && row >= rows) break;
        const nv_bf16* source = from.data + std::size_t(row) * from.stride;
#pragma unroll
        for (int i = 0; i < D / 8; i += group) {
            const int chunk = i + threadIdx.x % group, column = chunk * 8;
            const int width = row < from.count ? min(from.dim - column, 8) : 0;
            nv_bf16* to = tile + place<D>(row, chunk);
            if (from.vectors) {
                ptx::cp_async16(to, width > 0 ? source + column : from.data, width > 0 ? 16 : 0);
            } else {
#pragma unroll 1
                for (int c = 0; c < 8; c++) to[c] = c < width ? source[column + c] : from_float<nv_bf16>(0);
            }
        }
    }
}

// A warp's rows as the left operand of a product: straight from shared memory, or kept in registers.
template <int D, int MT = 1> struct SharedRows {
    const nv_bf16* tile;
    int at;  // the lane's place at the first columns
    __device__ __forceinline__ SharedRows(const nv_bf16* tile, int first)
        : tile(tile), at(place<D>(first + threadIdx.x % 16, threadIdx.x % 32 / 16)) {}
    __device__ __forceinline__ void get(std::uint32_t (&a)[MT][4], int k) const {
#pragma unroll
        for (int m = 0; m < MT; m++) ptx::ldmatrix_x4(a[m], tile + m * 16 * D + further<D>(at, k * 2));
    }
};
template <int D> struct HeldRows {
    std::uint32_t held[D / 16][1][4];
    __device__ __forceinline__ explicit HeldRows(const SharedRows<D>& rows) {
#pragma unroll
        for (int k = 0; k < D / 16; k++) rows.get(held[k], k);
    }
    __device__ __forceinline__ void get(std::uint32_t (&a)[1][4], int k) const {
#pragma unroll
        for (int i = 0; i < 4; i++) a[0][i] = held[k][0][i];
    }
};

// s [MT * 16, N] += rows [MT * 16, D] tile [N, D]^T.
template <int D, int N, int MT, class A>
__device__ __forceinline__ void multiply(float (&s)[MT][N / 8][4], const A& rows, const nv_bf16* tile) {
    const int lane = threadIdx.x % 32, at = place<D>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
        std::uint32_t a[MT][4];
        rows.get(a, k);
#pragma unroll
        for (int n = 0; n < N / 16; n++) {
            std::uint32_t b[4];
            ptx::ldmatrix_x4(b, tile + n * 16 * D + further<D>(at, k * 2));
            const std::uint32_t low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
#pragma unroll
            for (int m = 0; m < MT; m++) {
                ptx::mma_m16n8k16_bf16(s[m][2 * n], a[m], low);
                ptx::mma_m16n8k16_bf16(s[m][2 * n + 1], a[m], high);
            }
        }
    }
}

__device__ __forceinline__ std::uint32_t pack(float low, float high) {
    const __nv_bfloat162 v = __floats2bfloat162_rn(low, high);
    std::uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

// A result rounded to bf16, of rows `half` or of all: its layout is that of a left operand.
template <int N>
__device__ __forceinline__ void pack_rows(std::uint32_t (&p)[N / 16][4], const float (&s)[N / 8][4], int half) {
#pragma unroll
    for (int n = 0; n < N / 8; n++) p[n / 2][n % 2 * 2 + half] = pack(s[n][half * 2], s[n][half * 2 + 1]);
}
template <int N> __device__ __forceinline__ void pack_rows(std::uint32_t (&p)[N / 16][4], const float (&s)[N / 8][4]) {
    pack_rows<N>(p, s, 0);
    pack_rows<N>(p, s, 1);
}

// y [MT * 16, D] += p [MT * 16, N] tile [N, D].
template <int D, int N, int MT> __device__ __forceinline__ void add_products(float (&y)[MT][D / 8][4],
                                                                             const std::uint32_t (&p)[MT][N / 16][4],
                                                                             const nv_bf16* tile) {
    const int lane = threadIdx.x % 32, at = place<D>(lane % 16, lane / 16);
#pragma unroll
    for (int k = 0; k < N / 16; k++) {
#pragma unroll
        for (int n = 0; n < D / 16; n++) {
            std::uint32_t b[4];
            ptx::ldmatrix_x4_trans(b, tile + k * 16 * D + further<D>(at, n * 2));
            const std::uint32_t low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
#pragma unroll
            for (int m = 0; m < MT; m++) {
                ptx::mma_m16n8k16_bf16(y[m][2 * n], p[m][k], low);
                ptx::mma_m16n8k16_bf16(y[m][2 * n + 1], p[m][k], high);
            }
        }
    }
}

// One row's share of a lane, `half` 0 or 1: out = addend + factor * sums, rounded once; addend may be null or `out`.
template <int D> __device__ __forceinline__ void store_row(nv_bf16* out, const nv_bf16* addend,
                                                           const float (&sums)[D / 8][4], int half, float factor,
                                                           int dim, bool vectors) {
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
        const int column = n * 8 + threadIdx.x % 4 * 2;
        if (column >= dim) continue;
        const bool both = column + 1 < dim;
        float low = sums[n][half * 2] * factor, high = sums[n][half * 2 + 1] * factor;
        if (vectors) {
            if (addend) {
                const float2 a = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(addend + column));
                low = a.x + low;
                high = a.y + high;
            }
            *reinterpret_cast<__nv_bfloat162*>(out + column) = __floats2bfloat162_rn(low, high);
        } else {
            if (addend) low = to_float(addend[column]) + low;
            out[column] = from_float<nv_bf16>(low);
            if (both && addend) high = to_float(addend[column + 1]) + high;
            if (both) out[column + 1] = from_float<nv_bf16>(high);
        }
    }
}

}  // namespace tandem::flash

// What the CUDA kernels of attention share: sizes, and the cut of packed documents into tiles.
#pragma once
#include <cmath>

#include "ops/attention/attention_kernels.h"
#include "runtime/cuda/types.cuh"

namespace tandem::cuda_attention {

// Without cu_seqlens, here and in the launchers: one document, whose last rows the queries are.
struct Sizes {
    int tokens, documents;
    int past;               // keys before the first query
    int heads, group, dim;  // group: query heads to a kv head
    float scale;
    bool vectors;  // rows of every head begin at multiples of 16 bytes

    Sizes(const Tensor& q, const Tensor& k, const Tensor& cu_seqlens, const AttentionShape& s)
        : tokens(int(q.dim(0))),
          documents(cu_seqlens ? int(cu_seqlens.dim(0)) - 1 : 1),
          past(cu_seqlens ? 0 : int(k.dim(0) - q.dim(0))),
          heads(s.heads),
          group(s.heads / s.kv_heads),
          dim(s.head_dim),
          scale(1 / std::sqrt(float(s.head_dim))),
          vectors(s.head_dim * size_of(q.dtype()) % 16 == 0) {}
    // At most so many tiles have the documents, whose lengths only the card knows.
    unsigned slots(int tile) const { return unsigned(tokens / tile + documents); }
    __host__ __device__ int kv_heads() const { return heads / group; }
    // Of one head in a row of q; kv heads in a row of k.
    __device__ std::size_t q_at(int row, int head) const { return (std::size_t(row) * heads + head) * dim; }
    __device__ std::size_t k_at(int row, int head) const { return (std::size_t(row) * kv_heads() + head) * dim; }
};

struct DocumentTile {
    int begin;   // the document's first row
    int first;   // the tile's first row within the document; not below length: an empty slot
    int length;  // the document's rows
};

// Document d has the slots from begin / tile + d on: enough for its tiles, before those of the next.
__device__ __forceinline__ DocumentTile tile_of_slot(const int* cu_seqlens, const Sizes& s, int tile, int slot) {
    if (!cu_seqlens) return {0, slot * tile, s.tokens};
    int d = 0;
    for (int end = s.documents; end - d > 1;) {
        const int middle = (d + end) / 2;
        if (cu_seqlens[middle] / tile + middle <= slot)
            d = middle;
        else
            end = middle;
    }
    const int begin = max(cu_seqlens[d], 0), end = min(cu_seqlens[d + 1], s.tokens);
    return {begin, (slot - begin / tile - d) * tile, end - begin};
}

// Calls f<width>() for the narrowest of the widths that holds dim.
template <int width, int... wider, class F> void visit_head_dim(int dim, F&& f) {
    if constexpr (sizeof...(wider) > 0)
        if (dim > width) return visit_head_dim<wider...>(dim, f);
    f.template operator()<width>();
}

// 8 columns of a row from `column` on, zeros beyond dim; `vectors` as in Sizes.
__device__ __forceinline__ void load8(float (&to)[8], const float* row, int column, int dim, bool vectors) {
    if (vectors) {
        const float4 zero = make_float4(0, 0, 0, 0);
        const float4 low = column < dim ? *reinterpret_cast<const float4*>(row + column) : zero;
        const float4 high = column + 4 < dim ? *reinterpret_cast<const float4*>(row + column + 4) : zero;
        to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
        to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
    } else {
#pragma unroll
        for (int c = 0; c < 8; c++) to[c] = column + c < dim ? row[column + c] : 0;
    }
}
__device__ __forceinline__ void load8(float (&to)[8], const nv_bf16* row, int column, int dim, bool vectors) {
    if (vectors) {
        const uint4 bits = column < dim ? *reinterpret_cast<const uint4*>(row + column) : make_uint4(0, 0, 0, 0);
        const unsigned pairs[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            to[2 * i] = __uint_as_float(pairs[i] << 16);
            to[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000u);
        }
    } else {
#pragma unroll
        for (int c = 0; c < 8; c++) to[c] = column + c < dim ? to_float(row[column + c]) : 0;
    }
}

// bf16, on tensor cores.
void flash_forward(const CudaDevice& device, const AttentionForward& args);
void flash_backward_queries(const CudaDevice& device, const AttentionBackward& args);  // delta is there
void flash_backward_keys(const CudaDevice& device, const AttentionBackward& args);
// f32.
void plain_forward(const CudaDevice& device, const AttentionForward& args);
void plain_backward_queries(const CudaDevice& device, const AttentionBackward& args);
void plain_backward_keys(const CudaDevice& device, const AttentionBackward& args);
// One query against a cache.
void decode(const CudaDevice& device, const AttentionForward& args);

}  // namespace tandem::cuda_attention

// A 4-bit weight as operand A of mma.m16n8k16. The sum over k may run in any order that both operands share: of 128
// values of k, lane (g, t) = (lane / 4, lane % 4) takes the 32 from 32 t on, 16 bytes of codes in rows g and g + 8;
// step s of eight multiplies its elements 4 s to 4 s + 3. So a row's codes and x are read by 16 bytes, straight to
// registers.
#pragma once
#include "quant/block4/decode.cuh"

namespace tandem {

inline constexpr int k_of_chunk = 128;

// Rows g and g + 8 of 16 rows of W, one chunk: this lane's part, as stored.
template <bool nested> struct CodeChunk {
    uint4 codes[2];
    StoredAbsmax<nested> absmax[2];

    // `row`: of the two; rows and k beyond the weight's are read inside it, and must meet zeros or be dropped.
    __device__ __forceinline__ void load(const std::byte* __restrict__ weight, const Block4Parts& parts,
                                         const std::int64_t (&row)[2], std::int64_t k, std::int64_t in) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const std::int64_t element = row[i] * in + (k < in ? k : 0);
            codes[i] = __ldcs(reinterpret_cast<const uint4*>(weight + element / 2));  // read once
            absmax[i] = load_absmax<nested>(weight, parts, std::uint32_t(element >> parts.block_log2));
        }
    }
};

// The eight elements of this lane in word `w` of its 16 bytes: operand A of steps 2 w and 2 w + 1.
template <bool nested>
__device__ __forceinline__ void decode_steps(const CodeChunk<nested>& chunk, const Block4Tables<nested>& tables,
                                             const float (&absmax)[2], int w, std::uint32_t (&a)[2][4]) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const std::uint32_t words[4] = {chunk.codes[i].x, chunk.codes[i].y, chunk.codes[i].z, chunk.codes[i].w};
#pragma unroll
        for (int p = 0; p < 4; p++) {
            const float2 v = tables.pair(words[w], p, absmax[i]);
            a[p / 2][i + 2 * (p % 2)] = pack_bf16(v.x, v.y);
        }
    }
}

}  // namespace tandem

// A 4-bit weight as operand A of mma.m16n8k16. The sum over k may run in any order that both operands share: of 128
// values of k, lane (g, t) = (lane / 4, lane % 4) takes the 32 from 32 t on, 16 bytes of codes in rows g and g + 8;
// step s of eight multiplies its elements 4 s to 4 s + 3. So a row's codes and x are read by 16 bytes, straight to
// registers.
#pragma once
#include "quant/decode_pair.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

inline constexpr int k_of_chunk = 128;

// Rows g and g + 8 of 16 rows of W, one chunk: this lane's part, as stored.
template <class Decoder> struct CodeChunk {
    uint4 codes[2];
    typename Decoder::Stored scale[2];

    // `row`: of the two; rows and k beyond the weight's are read inside it, and must meet zeros or be dropped.
    __device__ __forceinline__ void load(const std::byte* __restrict__ weight, const typename Decoder::Places& at,
                                         const std::int64_t (&row)[2], std::int64_t k, std::int64_t in) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const std::int64_t element = row[i] * in + (k < in ? k : 0);
            codes[i] = __ldcs(reinterpret_cast<const uint4*>(weight + element / 2));  // read once
            scale[i] = Decoder::load(weight, at, std::uint32_t(element >> Decoder::group_log2(at)));
        }
    }
};

// The eight elements of this lane in word `w` of its 16 bytes: operand A of steps 2 w and 2 w + 1.
template <class Decoder>
__device__ __forceinline__ void decode_steps(const CodeChunk<Decoder>& chunk, const Decoder& decoder,
                                             const typename Decoder::Scale (&scale)[2], int w,
                                             std::uint32_t (&a)[2][4]) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const std::uint32_t words[4] = {chunk.codes[i].x, chunk.codes[i].y, chunk.codes[i].z, chunk.codes[i].w};
#pragma unroll
        for (int p = 0; p < 4; p++) {
            const float2 v = decode_pair(decoder, words[w], p, scale[i]);
            a[p / 2][i + 2 * (p % 2)] = pack_bf16(v.x, v.y);
        }
    }
}

}  // namespace tandem

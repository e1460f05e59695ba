// The dropout mask of ops/dropout inside a kernel.
#pragma once
#include "ops/linear/linear_kernels.h"
#include "runtime/cuda/types.cuh"
#include "runtime/rng.h"

namespace tandem {

struct MaskDraw {
    PhiloxKey key;
    std::uint32_t step, threshold;
};
inline MaskDraw mask_draw(const DropoutMask& m) {
    return {philox_key(m.random.seed, m.site), std::uint32_t(m.random.step), dropout_threshold(m.p)};
}
inline float kept_scale(const DropoutMask& m) { return float(1 / (1 - m.p)); }

// Which of the eight columns from `column`, a multiple of 8, are kept, for eight elements of 16 bits: all bits or none.
__device__ __forceinline__ uint4 kept_bits(const MaskDraw& mask, std::int32_t sample, std::int32_t position,
                                           std::uint32_t column) {
    std::uint32_t words[4];
#pragma unroll
    for (std::uint32_t half = 0; half < 2; half++) {
        const PhiloxBits bits =
            random_bits(mask.key, {mask.step, std::uint32_t(sample), std::uint32_t(position), column + 4 * half});
#pragma unroll
        for (int i = 0; i < 2; i++)
            words[half * 2 + i] = (dropout_keeps(bits[2 * i], mask.threshold) ? 0xffffu : 0u) |
                                  (dropout_keeps(bits[2 * i + 1], mask.threshold) ? 0xffff0000u : 0u);
    }
    return {words[0], words[1], words[2], words[3]};
}

__device__ __forceinline__ uint4 operator&(const uint4& a, const uint4& b) {
    return {a.x & b.x, a.y & b.y, a.z & b.z, a.w & b.w};
}

}  // namespace tandem

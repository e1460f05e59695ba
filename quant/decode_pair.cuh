// Codes in pairs and scales of lanes, as kernels decode them: of each byte the first element is the high nibble.
#pragma once
#include <cstdint>
#include <cstring>

#include "runtime/cuda/warp.cuh"

namespace tandem {

// Elements 2i and 2i + 1 of the eight in `codes`, in f32.
template <class Decoder> __device__ __forceinline__ float2 decode_pair(const Decoder& decoder, std::uint32_t codes,
                                                                       int i, typename Decoder::Scale scale) {
    return {decoder.value(codes >> (8 * i + 4), scale), decoder.value(codes >> 8 * i, scale)};
}

// The scale that another lane of the warp has.
template <class Scale> __device__ __forceinline__ Scale scale_of_lane(const Scale& mine, int lane) {
    constexpr int words = sizeof(Scale) / 4;
    static_assert(sizeof(Scale) % 4 == 0);
    float word[words];
    memcpy(word, &mine, sizeof mine);
#pragma unroll
    for (int i = 0; i < words; i++) word[i] = __shfl_sync(all_lanes, word[i], lane);
    Scale theirs;
    memcpy(&theirs, word, sizeof theirs);
    return theirs;
}

}  // namespace tandem

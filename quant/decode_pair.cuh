// Codes in pairs and scales of lanes, as kernels decode them: of each byte the first element is the high nibble.
#pragma once
#include <cstdint>
#include <cstring>

#include "quant/formats.h"
#include "quant/warp_table.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

// Kernels that decode pairs are for codes of 4 bits of which each aligned 32 elements, 16 bytes, are in one group.
template <class Decoder> constexpr bool has_pairs = Decoder::bits == 4 && Decoder::run > 1;
template <class Decoder> bool in_whole_groups(const typename Decoder::Places& at) {
    static_assert(has_pairs<Decoder>);
    return Decoder::run >= 32 || Decoder::group_log2(at) >= 5;
}

// As visit_decoder, for those weights alone; false for others.
template <class Table, class F> bool visit_pairs(const QuantTensor& weight, F&& f) {
    bool visited = false;
    visit_decoder<Table>(weight, [&]<class Decoder>(const typename Decoder::Places& at) {
        if constexpr (has_pairs<Decoder>)
            if (in_whole_groups<Decoder>(at)) {
                visited = true;
                f.template operator()<Decoder>(at);
            }
    });
    return visited;
}

inline bool is_in_pairs(const QuantTensor& weight) {
    return visit_pairs<WarpTable>(weight, [&]<class Decoder>(const typename Decoder::Places&) {});
}

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

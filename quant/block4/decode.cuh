// 4-bit block formats on a card, decoded to the bits of quant/quantize.h.
// A code's value is found by a shuffle: lane l of a warp keeps entry l % 16 of the code book, which costs neither an
// address nor a bank of shared memory. So all lanes of a warp decode together.
#pragma once
#include <cstddef>
#include <cstdint>

#include "quant/quant_tensor.h"
#include "runtime/cuda/types.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

// Where the parts of a weight's bytes lie: kernels take one pointer to the bytes, and this.
struct Block4Parts {
    std::size_t absmax, nested_absmax, tables;  // bytes from the first
    int block_log2;
    int nested_block, nested_log2;  // log2 -1: no power of two
};

inline Block4Parts block4_parts(const QuantSpec& spec, std::int64_t elements) {
    const QuantLayout at = quant_layout(spec, elements);
    auto log2 = [](int n) {
        int i = 0;
        while (i < 31 && 1 << i != n) i++;
        return i < 31 ? i : -1;
    };
    return {at.absmax, at.nested_absmax, at.tables, log2(spec.block), spec.nested_block, log2(spec.nested_block)};
}

template <class T> __device__ __forceinline__ const T* part_of(const std::byte* weight, std::size_t at) {
    return reinterpret_cast<const T*>(weight + at);
}

// What the absmax of a block is made from: loaded early, used late.
template <bool nested> struct StoredAbsmax;
template <> struct StoredAbsmax<false> { float value; };
template <> struct StoredAbsmax<true> {
    float scale;
    std::uint8_t code;
};

template <bool nested> __device__ __forceinline__ StoredAbsmax<nested> load_absmax(const std::byte* weight,
                                                                                   const Block4Parts& parts,
                                                                                   std::uint32_t block) {
    if constexpr (nested) {
        const std::uint32_t outer =
            parts.nested_log2 >= 0 ? block >> parts.nested_log2 : block / std::uint32_t(parts.nested_block);
        return {part_of<float>(weight, parts.nested_absmax)[outer], part_of<std::uint8_t>(weight, parts.absmax)[block]};
    } else {
        return {part_of<float>(weight, parts.absmax)[block]};
    }
}

// A warp's tables of one weight.
template <bool nested> struct Block4Tables {
    const float* map;  // of 8-bit absmax codes; unused unless nested
    float offset;
    float book;  // entry lane % 16

    __device__ __forceinline__ Block4Tables(const std::byte* weight, const Block4Parts& parts) {
        const std::byte* tables = weight + parts.tables;
        book = part_of<float>(tables, 0)[threadIdx.x % 16];
        map = part_of<float>(tables, QuantLayout::map_at);
        offset = nested ? *part_of<float>(tables, QuantLayout::offset_at) : 0;
    }

    __device__ __forceinline__ float absmax(const StoredAbsmax<nested>& stored) const {
        if constexpr (nested)
            return __fadd_rn(__fmul_rn(map[stored.code], stored.scale), offset);
        else
            return stored.value;
    }

    // The value of the code in the lowest four bits; those above are ignored.
    __device__ __forceinline__ float value(std::uint32_t code) const {
        return __shfl_sync(all_lanes, book, int(code), 16);
    }

    // Elements 2i and 2i + 1 of the eight in `codes`, in f32. Element 2i is the high nibble of byte i.
    __device__ __forceinline__ float2 pair(std::uint32_t codes, int i, float absmax) const {
        return {value(codes >> (8 * i + 4)) * absmax, value(codes >> 8 * i) * absmax};
    }
};

}  // namespace tandem

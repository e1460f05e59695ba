// A quantized weight: how it is laid out in a unit's frozen bytes, and a view of it there.
// 4-bit block formats as bitsandbytes has them (Dettmers et al., QLoRA, 2023): the weight is flattened row-major, each
// block of `block` elements has one absmax; with double quantization the absmax are 8-bit codes with their own scales.
// A further format (HQQ, int8) adds its enumerator, its parts, and a folder beside nf4/ and fp4/.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/dtype.h"

namespace tandem {

enum class WeightFormat : std::uint8_t { nf4, fp4 };

struct QuantSpec {
    WeightFormat format = WeightFormat::nf4;
    bool nested = true;      // double quantization
    int block = 64;          // elements per absmax, a power of two from 32 to 4096
    int nested_block = 256;  // absmax per second-level scale
    bool operator==(const QuantSpec&) const = default;
};

// Byte offsets of the parts of a quantized tensor of n elements; every part starts at a multiple of 1024 bytes, so that
// a rank's range can begin at any multiple of 1024 bytes and still hold whole blocks.
struct QuantLayout {
    std::size_t codes = 0;          // u8[ceil(n/2)], element 2i in the high nibble
    std::size_t absmax = 0;         // f32[blocks], or u8[blocks] when nested
    std::size_t nested_absmax = 0;  // f32[ceil(blocks/256)], nested only
    std::size_t tables = 0;         // f32[16] code book; nested: f32[256] map at +64 bytes, f32 offset at +1088 bytes
    std::size_t bytes = 0;

    static constexpr std::size_t map_at = 64, offset_at = 1088;  // bytes from `tables`
};
QuantLayout quant_layout(const QuantSpec& spec, std::int64_t elements);

// Bare pointers into the bytes above. rows x cols is the weight [out, in].
struct QuantTensor {
    QuantSpec spec;
    std::int64_t rows = 0, cols = 0;
    const std::uint8_t* codes = nullptr;
    const float* absmax = nullptr;               // null when nested
    const std::uint8_t* absmax_codes = nullptr;  // null unless nested
    const float* nested_absmax = nullptr;
    const float* code_book = nullptr;   // [16]
    const float* nested_map = nullptr;  // [256]
    const float* offset = nullptr;      // [1]
};
QuantTensor quant_view(const QuantSpec& spec, std::int64_t rows, std::int64_t cols, const std::byte* bytes);

// The absmax of one block. Double quantization has two roundings: the product, and the sum with the offset
// (bitsandbytes).
inline float absmax_of_block(const QuantTensor& q, std::int64_t block) {
    if (!q.spec.nested) return q.absmax[block];
    const float outer = q.nested_absmax[std::uint64_t(block) / unsigned(q.spec.nested_block)];
    const float scaled = q.nested_map[q.absmax_codes[block]] * outer;
    return scaled + *q.offset;
}

}  // namespace tandem

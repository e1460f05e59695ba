// One weight on its way into a format on a card: its parts and what is needed meanwhile, in device memory.
#pragma once
#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace tandem {

struct CardJob {
    CUstream_st* stream = nullptr;
    std::int64_t rows = 0, cols = 0;
    std::byte* out = nullptr;        // [quant_bytes(spec, rows, cols)], 16-byte aligned
    std::byte* workspace = nullptr;  // [the format's card_workspace(rows, cols)], 16-byte aligned

    std::int64_t elements() const { return rows * cols; }
};

// Pieces of a weight begin at multiples of this many elements.
inline constexpr std::int64_t card_piece = 4096;

}  // namespace tandem

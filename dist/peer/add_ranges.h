// The sum of a reduce-scatter on a card.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/dtype.h"

struct CUstream_st;

namespace tandem {

inline constexpr int most_parts = 8;

// range += ((parts[0] + parts[1]) + parts[2]) + …, as dist/host adds; f32 | f64; 1 to most_parts parts, memory that the
// stream's card can read. `parts` itself may go at once.
void add_ranges(CUstream_st* stream, DType type, std::byte* range, std::span<const std::byte* const> parts,
                std::int64_t elements);

}  // namespace tandem
